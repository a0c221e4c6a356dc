//! RNN, GRU and LSTM, unrolled by their definitions in the ONNX standard: every step becomes plain nodes.
//!
//! The products of the inputs with their weights are taken for all steps at once; only the products of the state are
//! left to the steps.

use super::super::attribute;
use super::super::facts::Facts;
use super::super::net::label;
use super::emit::{Emit, float, int, ints};
use crate::error::Fault;
use crate::tract::pb::NodeProto;
use crate::tract::{Tensor, tensor0};

/// Positions of the optional inputs.
const BIAS: usize = 3;
const LENGTHS: usize = 4;
const FIRST_STATE: usize = 5;
const FIRST_CELL: usize = 6;
const PEEPHOLES: usize = 7;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Rnn,
    Gru,
    Lstm,
}

impl Kind {
    fn gates(self) -> usize {
        match self {
            Kind::Rnn => 1,
            Kind::Gru => 3,
            Kind::Lstm => 4,
        }
    }

    fn activations(self) -> &'static [&'static str] {
        match self {
            Kind::Rnn => &["Tanh"],
            Kind::Gru => &["Sigmoid", "Tanh"],
            Kind::Lstm => &["Sigmoid", "Tanh", "Tanh"],
        }
    }
}

/// One activation with its parameters.
#[derive(Clone)]
struct Activation {
    operator: &'static str,
    alpha: Option<f32>,
    beta: Option<f32>,
}

/// A recurrent node as its attributes and shapes describe it.
struct Plan {
    kind: Kind,
    steps: usize,
    batch: usize,
    hidden: usize,
    /// For each direction, whether it runs from the last step to the first.
    backward: Vec<bool>,
    /// For each direction, the activations that [`Kind::activations`] lists.
    activations: Vec<Vec<Activation>>,
    batch_first: bool,
    linear_before_reset: bool,
}

/// RNN, GRU or LSTM.
pub(super) fn unroll(node: &NodeProto, facts: &Facts<'_>, emit: &mut Emit<'_>) -> Result<(), Fault> {
    let plan = Plan::of(node, facts)?;
    let nodes = plan.steps.saturating_mul(plan.backward.len()).saturating_mul(12);
    facts.check_nodes(nodes)?;
    let sequence = if plan.batch_first {
        emit.op("Transpose", &[&node.input[0]], vec![ints("perm", &[1, 0, 2])])
    } else {
        node.input[0].clone()
    };
    let mut directions = Vec::new();
    for direction in 0..plan.backward.len() {
        directions.push(Direction::new(node, &plan, direction, &sequence, emit).run(emit));
    }
    write_outputs(node, &plan, &directions, emit);
    Ok(())
}

impl Plan {
    fn of(node: &NodeProto, facts: &Facts<'_>) -> Result<Plan, Fault> {
        let kind = match node.op_type.as_str() {
            "LSTM" => Kind::Lstm,
            "GRU" => Kind::Gru,
            _ => Kind::Rnn,
        };
        let backward = match attribute::text(node, "direction")?.unwrap_or("forward") {
            "forward" => vec![false],
            "reverse" => vec![true],
            "bidirectional" => vec![false, true],
            other => {
                return Err(attribute::refuse(node, "direction", other, "forward, reverse or bidirectional"));
            }
        };
        for unsupported in ["clip", "input_forget"] {
            if attribute::find(node, unsupported).is_some_and(|a| a.f != 0.0 || a.i != 0) {
                return Err(attribute::refuse(node, unsupported, "set", "unset or 0"));
            }
        }
        let batch_first = attribute::int(node, "layout")?.unwrap_or(0) == 1;
        let (steps, batch, hidden) = sizes(node, facts, kind, backward.len(), batch_first)?;
        let plan = Plan {
            kind,
            steps,
            batch,
            hidden,
            activations: activations(node, kind, backward.len())?,
            backward,
            batch_first,
            linear_before_reset: attribute::int(node, "linear_before_reset")?.unwrap_or(0) == 1,
        };
        check_lengths(node, facts, &plan)?;
        Ok(plan)
    }
}

/// Steps, batch and hidden size, from shapes that fit together.
fn sizes(
    node: &NodeProto,
    facts: &Facts<'_>,
    kind: Kind,
    directions: usize,
    batch_first: bool,
) -> Result<(usize, usize, usize), Fault> {
    let shape = |index: usize| node.input.get(index).and_then(|name| facts.shape(name)).unwrap_or_default();
    let (x, w, r) = (shape(0), shape(1), shape(2));
    let refuse = || {
        let value = format!("X {x:?}, W {w:?}, R {r:?}");
        let allowed = format!(
            "X [steps, batch, in], W [{directions}, {0} h, in], R [{directions}, {0} h, h]",
            kind.gates()
        );
        attribute::refuse(node, "hidden_size", value, &allowed)
    };
    let ([a, b, features], [wd, wg, wi], [rd, rg, hidden]) = (x.as_slice(), w.as_slice(), r.as_slice())
    else {
        return Err(refuse());
    };
    let is_whole =
        wd == rd && *wd == directions && wg == rg && wi == features && *wg == kind.gates() * hidden;
    let (steps, batch) = if batch_first { (*b, *a) } else { (*a, *b) };
    if !is_whole || *hidden == 0 || batch == 0 {
        return Err(refuse());
    }
    let limit = facts.limits().steps;
    if steps == 0 || steps > limit {
        let reason = format!("runs for {steps} steps; 1 to {limit} are unrolled (Limits::steps)");
        return Err(Fault::Control { node: label(node), operator: node.op_type.clone(), reason });
    }
    Ok((steps, batch, *hidden))
}

/// Sequences of a batch must be as long as the whole: the standard would mask the rest.
fn check_lengths(node: &NodeProto, facts: &Facts<'_>, plan: &Plan) -> Result<(), Fault> {
    let Some(name) = node.input.get(LENGTHS).filter(|n| !n.is_empty()) else { return Ok(()) };
    let lengths = facts.integers(name);
    if lengths.as_ref().is_some_and(|l| l.iter().all(|l| *l == plan.steps as i64)) {
        return Ok(());
    }
    let value = lengths.map_or("not constant".to_owned(), |l| format!("{l:?}"));
    Err(attribute::refuse(node, "sequence_lens", value, &format!("constant, all {}", plan.steps)))
}

fn activations(node: &NodeProto, kind: Kind, directions: usize) -> Result<Vec<Vec<Activation>>, Fault> {
    let each = kind.activations().len();
    let names: Vec<String> = match attribute::find(node, "activations") {
        Some(found) => found.strings.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect(),
        None => (0..directions).flat_map(|_| kind.activations().iter().map(|s| (*s).to_owned())).collect(),
    };
    if names.len() != each * directions {
        let allowed = format!("{each} for each direction");
        return Err(attribute::refuse(node, "activations", format!("{names:?}"), &allowed));
    }
    // Only the activations that have such a parameter take one from the lists, in order.
    let mut alphas = attribute::floats(node, "activation_alpha")?.unwrap_or_default().iter();
    let mut betas = attribute::floats(node, "activation_beta")?.unwrap_or_default().iter();
    let mut all = Vec::new();
    for name in &names {
        let (operator, takes_alpha, takes_beta) = match name.to_lowercase().as_str() {
            "relu" => ("Relu", false, false),
            "tanh" => ("Tanh", false, false),
            "sigmoid" => ("Sigmoid", false, false),
            "softsign" => ("Softsign", false, false),
            "softplus" => ("Softplus", false, false),
            "elu" => ("Elu", true, false),
            "leakyrelu" => ("LeakyRelu", true, false),
            "thresholdedrelu" => ("ThresholdedRelu", true, false),
            "hardsigmoid" => ("HardSigmoid", true, true),
            _ => {
                return Err(attribute::refuse(
                    node,
                    "activations",
                    name,
                    "an activation that is an operator too",
                ));
            }
        };
        let alpha = if takes_alpha { alphas.next().copied() } else { None };
        let beta = if takes_beta { betas.next().copied() } else { None };
        all.push(Activation { operator, alpha, beta });
    }
    Ok(all.chunks(each).map(<[Activation]>::to_vec).collect())
}

/// One direction while it is unrolled: names of tensors.
struct Direction<'a> {
    plan: &'a Plan,
    activations: &'a [Activation],
    backward: bool,
    /// `[steps, batch, gates * hidden]`: inputs times weights, with the biases that can be added beforehand.
    projected: String,
    /// `[hidden, gates * hidden]`.
    recurrent: String,
    /// The bias of the state's product for the candidate of a GRU, where it is kept apart; `[hidden]`.
    candidate_bias: Option<String>,
    peepholes: Option<String>,
    state: String,
    cell: String,
}

/// What one direction computed: the state after every step in the order of the sequence, the last state and cell.
struct Track {
    states: Vec<String>,
    state: String,
    cell: String,
}

impl<'a> Direction<'a> {
    fn new(
        node: &NodeProto,
        plan: &'a Plan,
        index: usize,
        sequence: &str,
        emit: &mut Emit<'_>,
    ) -> Direction<'a> {
        let of_direction = |position: usize, emit: &mut Emit<'_>| {
            let name = node.input.get(position).filter(|n| !n.is_empty())?;
            let (index, axis) = (emit.constant(tensor0(index as i64)), 0);
            Some(emit.op("Gather", &[name, &index], vec![int("axis", axis)]))
        };
        let transposed = |position: usize, emit: &mut Emit<'_>| {
            let weights = of_direction(position, emit).unwrap_or_default();
            emit.op("Transpose", &[&weights], vec![ints("perm", &[1, 0])])
        };
        let (weights, recurrent) = (transposed(1, emit), transposed(2, emit));
        let mut projected = emit.op("MatMul", &[sequence, &weights], Vec::new());
        let mut candidate_bias = None;
        if let Some(bias) = of_direction(BIAS, emit) {
            let length = (plan.kind.gates() * plan.hidden) as i64;
            let of_input = emit.slice(&bias, 0, (0, length), 1);
            let of_state = emit.slice(&bias, 0, (length, 2 * length), 1);
            projected = emit.op("Add", &[&projected, &of_input], Vec::new());
            let mut early = of_state.clone();
            if plan.kind == Kind::Gru && plan.linear_before_reset {
                let hidden = plan.hidden as i64;
                candidate_bias = Some(emit.slice(&of_state, 0, (2 * hidden, 3 * hidden), 1));
                let gates = emit.slice(&of_state, 0, (0, 2 * hidden), 1);
                let none = emit.constant(zeros(&[plan.hidden]));
                early = emit.op("Concat", &[&gates, &none], vec![int("axis", 0)]);
            }
            projected = emit.op("Add", &[&projected, &early], Vec::new());
        }
        let first =
            |position: usize, emit: &mut Emit<'_>| match node.input.get(position).filter(|n| !n.is_empty()) {
                Some(name) => {
                    let place = emit.constant(tensor0(index as i64));
                    emit.op("Gather", &[name, &place], vec![int("axis", i64::from(plan.batch_first))])
                }
                None => emit.constant(zeros(&[plan.batch, plan.hidden])),
            };
        let peepholes = if plan.kind == Kind::Lstm { of_direction(PEEPHOLES, emit) } else { None };
        Direction {
            plan,
            activations: &plan.activations[index],
            backward: plan.backward[index],
            projected,
            recurrent,
            candidate_bias,
            peepholes,
            state: first(FIRST_STATE, emit),
            cell: if plan.kind == Kind::Lstm { first(FIRST_CELL, emit) } else { String::new() },
        }
    }

    fn run(mut self, emit: &mut Emit<'_>) -> Track {
        let mut states = Vec::new();
        for step in 0..self.plan.steps {
            let place = if self.backward { self.plan.steps - 1 - step } else { step };
            let place = emit.constant(tensor0(place as i64));
            let inputs = emit.op("Gather", &[&self.projected, &place], vec![int("axis", 0)]);
            match self.plan.kind {
                Kind::Rnn => self.rnn(&inputs, emit),
                Kind::Gru => self.gru(&inputs, emit),
                Kind::Lstm => self.lstm(&inputs, emit),
            }
            states.push(self.state.clone());
        }
        if self.backward {
            states.reverse();
        }
        Track { states, state: self.state, cell: self.cell }
    }

    /// `h = f(x W + h R + b)`.
    fn rnn(&mut self, inputs: &str, emit: &mut Emit<'_>) {
        let product = emit.op("MatMul", &[&self.state, &self.recurrent], Vec::new());
        let sum = emit.op("Add", &[inputs, &product], Vec::new());
        self.state = activate(&self.activations[0], &sum, emit);
    }

    /// `h = (1 - z) * n + z * h` with the gates in the order z, r, n.
    fn gru(&mut self, inputs: &str, emit: &mut Emit<'_>) {
        let product = emit.op("MatMul", &[&self.state, &self.recurrent], Vec::new());
        let gate = |index: usize, direction: &Self, emit: &mut Emit<'_>| {
            let (x, h) = (direction.part(inputs, index, emit), direction.part(&product, index, emit));
            let sum = emit.op("Add", &[&x, &h], Vec::new());
            activate(&direction.activations[0], &sum, emit)
        };
        let (update, reset) = (gate(0, self, emit), gate(1, self, emit));
        let of_input = self.part(inputs, 2, emit);
        let of_state = if self.plan.linear_before_reset {
            let mut linear = self.part(&product, 2, emit);
            if let Some(bias) = &self.candidate_bias {
                linear = emit.op("Add", &[&linear, bias], Vec::new());
            }
            emit.op("Mul", &[&reset, &linear], Vec::new())
        } else {
            let kept = emit.op("Mul", &[&reset, &self.state], Vec::new());
            let weights = self.part(&self.recurrent, 2, emit);
            emit.op("MatMul", &[&kept, &weights], Vec::new())
        };
        let sum = emit.op("Add", &[&of_input, &of_state], Vec::new());
        let candidate = activate(&self.activations[1], &sum, emit);
        // (1 - z) n + z h = n + z (h - n)
        let change = emit.op("Sub", &[&self.state, &candidate], Vec::new());
        let kept = emit.op("Mul", &[&update, &change], Vec::new());
        self.state = emit.op("Add", &[&candidate, &kept], Vec::new());
    }

    /// `c = f * c + i * n`, `h = o * tanh(c)` with the gates in the order i, o, f, n and peepholes p_i, p_o, p_f.
    fn lstm(&mut self, inputs: &str, emit: &mut Emit<'_>) {
        let product = emit.op("MatMul", &[&self.state, &self.recurrent], Vec::new());
        let sum = emit.op("Add", &[inputs, &product], Vec::new());
        let gate = |index: usize, cell: &str, direction: &Self, emit: &mut Emit<'_>| {
            let mut gate = direction.part(&sum, index, emit);
            if let Some(peepholes) = &direction.peepholes {
                let hidden = direction.plan.hidden as i64;
                let weights =
                    emit.slice(peepholes, 0, (index as i64 * hidden, (index as i64 + 1) * hidden), 1);
                let seen = emit.op("Mul", &[&weights, cell], Vec::new());
                gate = emit.op("Add", &[&gate, &seen], Vec::new());
            }
            activate(&direction.activations[0], &gate, emit)
        };
        let (input, forget) = (gate(0, &self.cell, self, emit), gate(2, &self.cell, self, emit));
        let candidate = self.part(&sum, 3, emit);
        let candidate = activate(&self.activations[1], &candidate, emit);
        let kept = emit.op("Mul", &[&forget, &self.cell], Vec::new());
        let new = emit.op("Mul", &[&input, &candidate], Vec::new());
        let cell = emit.op("Add", &[&kept, &new], Vec::new());
        let output = gate(1, &cell, self, emit);
        let shown = activate(&self.activations[2], &cell, emit);
        self.state = emit.op("Mul", &[&output, &shown], Vec::new());
        self.cell = cell;
    }

    /// The columns of one gate: `[.., hidden]` of `[.., gates * hidden]`.
    fn part(&self, of: &str, gate: usize, emit: &mut Emit<'_>) -> String {
        let hidden = self.plan.hidden as i64;
        emit.slice(of, 1, (gate as i64 * hidden, (gate as i64 + 1) * hidden), 1)
    }
}

fn zeros(shape: &[usize]) -> Tensor {
    ndarray::ArrayD::<f32>::zeros(shape).into()
}

fn activate(activation: &Activation, input: &str, emit: &mut Emit<'_>) -> String {
    let mut attributes = Vec::new();
    attributes.extend(activation.alpha.map(|a| float("alpha", a)));
    attributes.extend(activation.beta.map(|b| float("beta", b)));
    emit.op(activation.operator, &[input], attributes)
}

/// `Y` `[steps, directions, batch, hidden]`, and the last states and cells `[directions, batch, hidden]`; with the batch
/// first `[batch, steps, directions, hidden]` and `[batch, directions, hidden]`.
fn write_outputs(node: &NodeProto, plan: &Plan, tracks: &[Track], emit: &mut Emit<'_>) {
    let wanted = |index: usize| node.output.get(index).filter(|o| !o.is_empty());
    let axis = i64::from(plan.batch_first);
    if let Some(output) = wanted(0) {
        // A state is [batch, hidden]; its steps go in front, or behind the batch.
        let all: Vec<String> = tracks.iter().map(|t| super::control::stack(&t.states, axis, emit)).collect();
        let joined = super::control::stack(&all, axis + 1, emit);
        emit.op_to("Identity", &[&joined], Vec::new(), output);
    }
    let last = |index: usize, pick: fn(&Track) -> &String, emit: &mut Emit<'_>| {
        if let Some(output) = wanted(index) {
            let parts: Vec<String> = tracks.iter().map(|t| pick(t).clone()).collect();
            let joined = super::control::stack(&parts, axis, emit);
            emit.op_to("Identity", &[&joined], Vec::new(), output);
        }
    };
    last(1, |t| &t.state, emit);
    if plan.kind == Kind::Lstm {
        last(2, |t| &t.cell, emit);
    }
}
