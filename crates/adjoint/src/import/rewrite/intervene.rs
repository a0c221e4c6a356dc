//! Virtual lesions and stimulation: a tensor replaced, for all that read it, by `gain * T + offset`.
//!
//! The node that computes T gets another name for its output, and a node of our own computes T from it. What reads T,
//! also inside bodies, and a question that asks for T itself, need not be touched. Shapes are known only when inference
//! reaches the node, so that is where it is checked and written out as Mul and Add.

use ndarray::{ArrayD, Dimension};

use super::super::facts::Facts;
use super::super::info::{Dim, Dtype, TensorInfo};
use super::super::net::{Constant, Net};
use super::emit::{DOMAIN, Emit, Names};
use crate::error::Fault;
use crate::tract::pb::NodeProto;
use crate::tract::{DatumType, Tensor};

/// The operator that stands for an intervention until shapes are known: T as computed, gain, offset.
pub(super) const OPERATOR: &str = "Intervene";

/// What takes the place of a tensor T, for all that read it and as an output: `gain * T + offset`.
///
/// Gain and offset broadcast against T from the right, as numpy does: `[]` changes the whole tensor alike, `[C, 1, 1]`
/// each channel of `[N, C, H, W]`, T's own shape each unit. A gain of 0 is a lesion, one between 0 and 1 a partial
/// lesion, an offset a stimulation. The gradient passes through: it is multiplied by the gain.
#[derive(Debug, Clone, PartialEq)]
pub struct Intervention {
    gain: Term,
    offset: Term,
}

#[derive(Debug, Clone, PartialEq)]
enum Term {
    /// Part of the plan.
    Constant(ArrayD<f32>),
    /// An input of this shape, fed at each step.
    Fed(Vec<usize>),
}

impl Intervention {
    /// Fixed when the gradient is planned. Where gains are 1 and offsets 0 throughout, the bits are those without.
    ///
    /// A gain of 0 over a whole tensor cuts the gradient: an input that only passed there is then refused, as always
    /// where no gradient reaches. [`Intervention::fed`] allows it.
    pub fn constant(gain: ArrayD<f32>, offset: ArrayD<f32>) -> Self {
        Self { gain: Term::Constant(gain), offset: Term::Constant(offset) }
    }

    /// Given at each step, so that it can change without a new plan: two more inputs of these shapes, called
    /// [`Intervention::gain_input`] and [`Intervention::offset_input`], the gain first, after the model's own inputs.
    /// Like any input they may be asked for their gradient.
    pub fn fed(gain_shape: &[usize], offset_shape: &[usize]) -> Self {
        Self { gain: Term::Fed(gain_shape.to_vec()), offset: Term::Fed(offset_shape.to_vec()) }
    }

    /// Whether anything of it is given at each step.
    pub(crate) fn is_fed(&self) -> bool {
        [&self.gain, &self.offset].iter().any(|term| matches!(term, Term::Fed(_)))
    }

    /// Name of the input that takes the gain at the tensor `tap`.
    pub fn gain_input(tap: &str) -> String {
        format!("{tap}:gain")
    }

    /// Name of the input that takes the offset at the tensor `tap`.
    pub fn offset_input(tap: &str) -> String {
        format!("{tap}:offset")
    }
}

/// Puts an intervention at the tensor `tap` into the graph.
pub(in super::super) fn insert(net: &mut Net, tap: &str, intervention: &Intervention) -> Result<(), Fault> {
    let wrong = |reason: &str| Fault::Intervention { tap: tap.to_owned(), reason: reason.to_owned() };
    if net.inputs.iter().any(|input| input.name == tap) {
        return Err(wrong("it is an input: change what is fed"));
    }
    let is_made = |node: &NodeProto| node.output.iter().any(|output| output == tap);
    let Some(place) = net.nodes.iter().position(is_made) else {
        return Err(wrong("it is a weight; only what a node computes from the input can be changed"));
    };
    if net.nodes[place].op_type == OPERATOR && net.nodes[place].domain == DOMAIN {
        return Err(wrong("it is changed twice; put both into one gain and offset"));
    }
    let mut names = Names::of(net);
    let raw = names.fresh(tap);
    for output in net.nodes[place].output.iter_mut().filter(|output| *output == tap) {
        output.clone_from(&raw);
    }
    let gain = operand(net, Intervention::gain_input(tap), &intervention.gain, &wrong)?;
    let offset = operand(net, Intervention::offset_input(tap), &intervention.offset, &wrong)?;
    let node = NodeProto {
        name: names.fresh(tap),
        op_type: OPERATOR.to_owned(),
        domain: DOMAIN.to_owned(),
        input: vec![raw, gain, offset],
        output: vec![tap.to_owned()],
        ..NodeProto::default()
    };
    net.nodes.insert(place + 1, node);
    Ok(())
}

/// The name of the gain or the offset, which becomes a constant or an input.
fn operand(
    net: &mut Net,
    name: String,
    term: &Term,
    wrong: &impl Fn(&str) -> Fault,
) -> Result<String, Fault> {
    if net.constants.contains_key(&name) || net.inputs.iter().any(|input| input.name == name) {
        return Err(wrong(&format!("the model has a tensor called {name} already")));
    }
    match term {
        Term::Constant(values) => {
            if let Some((index, value)) = values.indexed_iter().find(|(_, value)| !value.is_finite()) {
                return Err(wrong(&format!(
                    "{name} is {value} at {:?}; finite numbers are allowed",
                    index.slice()
                )));
            }
            let tensor = Tensor::from(values.as_standard_layout().into_owned());
            net.constants.insert(name.clone(), Constant::of(tensor));
        }
        Term::Fed(shape) => {
            let shape = Some(shape.iter().map(|side| Dim::Known(*side)).collect());
            net.inputs.push(TensorInfo { name: name.clone(), dtype: Dtype::F32, shape });
        }
    }
    Ok(name)
}

/// Writes the intervention out, now that the shape of the tensor is known.
pub(super) fn write(node: &NodeProto, facts: &Facts<'_>, emit: &mut Emit<'_>) -> Result<(), Fault> {
    let (raw, tap) = (&node.input[0], &node.output[0]);
    let wrong = |reason: String| Fault::Intervention { tap: tap.clone(), reason };
    match facts.dtype(raw) {
        Some(DatumType::F32) => {}
        found => {
            return Err(wrong(format!(
                "the tensor is {found:?}; only floating-point tensors can be changed"
            )));
        }
    }
    let Some(shape) = facts.shape(raw) else { return Err(wrong("its shape is not known".to_owned())) };
    let operands = [("gain", "Mul", 1.0), ("offset", "Add", 0.0)].into_iter().zip(&node.input[1..]);
    let mut steps = Vec::new();
    for ((what, operator, neutral), name) in operands {
        let given = facts.shape(name).unwrap_or_default();
        if !broadcasts(&given, &shape) {
            return Err(wrong(format!(
                "a {what} of shape {given:?} does not broadcast to the tensor's {shape:?}"
            )));
        }
        if !is_throughout(facts, name, neutral) {
            steps.push((operator, name.as_str()));
        }
    }
    let Some((last, first)) = steps.split_last() else {
        emit.op_to("Identity", &[raw], Vec::new(), tap);
        return Ok(());
    };
    let mut value = raw.clone();
    for (operator, name) in first {
        value = emit.op(operator, &[&value, name], Vec::new());
    }
    emit.op_to(last.0, &[&value, last.1], Vec::new(), tap);
    Ok(())
}

/// Whether a tensor of shape `small` extends to `large`, axes aligned at the right, without making it larger.
fn broadcasts(small: &[usize], large: &[usize]) -> bool {
    small.len() <= large.len()
        && small.iter().rev().zip(large.iter().rev()).all(|(side, whole)| *side == 1 || side == whole)
}

/// Whether a constant is the one number everywhere. -0 + 0 is 0: only what is left out leaves every bit alone.
fn is_throughout(facts: &Facts<'_>, name: &str, number: f32) -> bool {
    let Some(value) = facts.value(name) else { return false };
    let values = value.as_plain_ram().and_then(|view| view.as_slice::<f32>().ok().map(<[f32]>::to_vec));
    values.is_some_and(|values| values.iter().all(|value| *value == number))
}
