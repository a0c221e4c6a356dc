//! What each operator asks of its inputs, as far as the importer below trusts it blindly: ranks, lengths of lists, axes,
//! types of indices. Written down from the operators' definitions in the ONNX standard.

use super::attribute;
use super::facts::Facts;
use super::net::label;
use crate::error::Fault;
use crate::tract::pb::NodeProto;

/// A node with the shapes of its inputs.
struct Form<'a> {
    node: &'a NodeProto,
    facts: &'a Facts<'a>,
    shapes: Vec<Option<Vec<usize>>>,
}

/// Checks a node before anything else looks at it.
pub(super) fn check(node: &NodeProto, facts: &Facts<'_>) -> Result<(), Fault> {
    let shapes = node.input.iter().map(|name| facts.shape(name)).collect();
    let form = Form { node, facts, shapes };
    form.check_axis()?;
    match node.op_type.as_str() {
        "Conv" | "ConvTranspose" => form.convolution(),
        "MaxPool" | "AveragePool" | "LpPool" => form.pool(),
        "GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool" => form.rank(0, 3..=8),
        "BatchNormalization" => form.per_channel(2, 1..5),
        "InstanceNormalization" => form.per_channel(3, 1..3),
        "GroupNormalization" => form.rank(0, 3..=8),
        "LRN" => form.rank(0, 2..=8),
        "LayerNormalization" | "RMSNormalization" | "PRelu" => form.rank(0, 1..=12),
        "DepthToSpace" | "SpaceToDepth" => form.blocks(),
        "GridSample" => form.grid(),
        "Gemm" => form.rank(0, 2..=2).and_then(|()| form.rank(1, 2..=2)),
        "MatMul" => form.rank(0, 1..=12).and_then(|()| form.rank(1, 1..=12)),
        "Transpose" => form.permutation(),
        "Tile" => form.list(1, Some(form.rank_of(0)), 0),
        "Expand" | "ConstantOfShape" => form.list(node.input.len() - 1, None, 0),
        "Reshape" => form.list(1, None, -1),
        "Pad" => form.list(1, None, i64::MIN).and_then(|()| form.axes(3)),
        "Slice" => form.slice(),
        "Squeeze" | "Unsqueeze" => form.axes(1).and_then(|()| form.squeezed()),
        "Resize" | "Upsample" => form.resize(),
        "CumSum" => form.integers(1).and_then(|()| form.single(1)),
        "TopK" => form.rank(0, 1..=12).and_then(|()| form.integers(1)).and_then(|()| form.single(1)),
        "Gather" | "GatherElements" | "ScatterElements" | "ArgMax" | "ArgMin" => form.indexed(),
        "GatherND" | "ScatterND" => form.indexed().and_then(|()| form.rank(1, 1..=12)),
        "Range" => (0..3).try_for_each(|index| form.single(index)),
        "OneHot" => form.single(1).and_then(|()| form.rank(2, 1..=1)),
        "Trilu" | "EyeLike" => form.rank(0, 2..=12),
        "Concat" => form.same_rank(),
        "Softmax" | "LogSoftmax" | "Hardmax" | "LpNormalization" | "Split" => form.rank(0, 1..=12),
        name if name.starts_with("Reduce") => form.axes(1),
        _ => Ok(()),
    }
}

impl Form<'_> {
    fn refuse(&self, index: usize, found: impl ToString, allowed: impl ToString) -> Fault {
        let input = self.node.input.get(index).cloned().filter(|n| !n.is_empty());
        Fault::Operand {
            node: label(self.node),
            operator: self.node.op_type.clone(),
            input: input.unwrap_or_else(|| format!("number {index}")),
            found: found.to_string(),
            allowed: allowed.to_string(),
        }
    }

    fn shape(&self, index: usize) -> Option<&[usize]> {
        self.shapes.get(index)?.as_deref()
    }

    fn rank_of(&self, index: usize) -> usize {
        self.shape(index).map_or(0, <[usize]>::len)
    }

    /// The input must be there and its rank in the range; an unknown shape passes.
    fn rank(&self, index: usize, allowed: std::ops::RangeInclusive<usize>) -> Result<(), Fault> {
        if self.node.input.get(index).is_none_or(String::is_empty) {
            return Err(self.refuse(index, "missing", "a tensor"));
        }
        match self.shape(index) {
            Some(shape) if !allowed.contains(&shape.len()) => {
                let range = format!("a shape of {} to {} sides", allowed.start(), allowed.end());
                Err(self.refuse(index, format!("of shape {shape:?}"), range))
            }
            _ => Ok(()),
        }
    }

    /// The attribute `axis` must be an axis of the first input. (Flatten and Softmax may name the end too.)
    fn check_axis(&self) -> Result<(), Fault> {
        let counts_result =
            matches!(self.node.op_type.as_str(), "OneHot" | "Constant" | "ConcatFromSequence");
        let (Some(found), Some(shape)) = (attribute::find(self.node, "axis"), self.shape(0)) else {
            return Ok(());
        };
        let rank = shape.len() as i64;
        let end = if self.node.op_type == "Flatten" { rank } else { rank - 1 };
        if counts_result || (-rank..=end).contains(&found.i) || (rank == 0 && found.i.abs() <= 1) {
            return Ok(());
        }
        Err(attribute::refuse(
            self.node,
            "axis",
            found.i,
            &format!("{} to {end} for the shape {shape:?}", -rank),
        ))
    }

    /// The attribute `name`, where it is there, has so many numbers.
    fn attribute_length(&self, name: &str, length: usize) -> Result<(), Fault> {
        match attribute::ints(self.node, name)? {
            Some(list) if list.len() != length => {
                Err(attribute::refuse(self.node, name, format!("{list:?}"), &format!("{length} numbers")))
            }
            _ => Ok(()),
        }
    }

    fn window(&self, rank: usize) -> Result<(), Fault> {
        let axes = rank.saturating_sub(2);
        for name in ["kernel_shape", "strides", "dilations", "output_padding", "output_shape"] {
            self.attribute_length(name, axes)?;
        }
        self.attribute_length("pads", 2 * axes)
    }

    fn pool(&self) -> Result<(), Fault> {
        self.rank(0, 3..=8)?;
        if attribute::ints(self.node, "kernel_shape")?.is_none() {
            return Err(attribute::refuse(self.node, "kernel_shape", "absent", "one number per axis"));
        }
        if self.shape(0).is_some() { self.window(self.rank_of(0)) } else { Ok(()) }
    }

    fn convolution(&self) -> Result<(), Fault> {
        self.rank(0, 3..=8)?;
        self.rank(1, 3..=8)?;
        let (Some(x), Some(w)) = (self.shape(0), self.shape(1)) else { return Ok(()) };
        let group = attribute::int(self.node, "group")?.unwrap_or(1).max(1) as usize;
        let transposed = self.node.op_type == "ConvTranspose";
        let (inputs, outputs) = if transposed { (w[0], w[1] * group) } else { (w[1] * group, w[0]) };
        let fits = x.len() == w.len() && x[1] == inputs && outputs % group == 0 && inputs % group == 0;
        if !fits || w.contains(&0) {
            let allowed = format!("weights for an input of shape {x:?} in {group} groups");
            return Err(self.refuse(1, format!("of shape {w:?}"), allowed));
        }
        if let Some(kernel) = attribute::ints(self.node, "kernel_shape")?
            && !kernel.iter().map(|k| *k as usize).eq(w[2..].iter().copied())
        {
            return Err(attribute::refuse(
                self.node,
                "kernel_shape",
                format!("{kernel:?}"),
                &format!("{:?}", &w[2..]),
            ));
        }
        if let Some(bias) = self.shape(2)
            && *bias != [outputs]
        {
            return Err(self.refuse(2, format!("of shape {bias:?}"), format!("[{outputs}]")));
        }
        self.window(x.len())
    }

    /// Parameters with one number per channel.
    fn per_channel(&self, least: usize, inputs: std::ops::Range<usize>) -> Result<(), Fault> {
        self.rank(0, least..=8)?;
        let Some(channels) = self.shape(0).map(|s| s[1]) else { return Ok(()) };
        for index in inputs {
            self.rank(index, 1..=1)?;
            match self.shape(index) {
                Some([length]) if *length != channels => {
                    return Err(self.refuse(index, format!("of shape [{length}]"), format!("[{channels}]")));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn blocks(&self) -> Result<(), Fault> {
        self.rank(0, 4..=4)?;
        let side = attribute::int(self.node, "blocksize")?.unwrap_or(0).max(0) as usize;
        let Some([_, channels, height, width]) = self.shape(0) else { return Ok(()) };
        let divides = match self.node.op_type.as_str() {
            _ if side == 0 => false,
            "DepthToSpace" => channels % (side * side) == 0,
            _ => height % side == 0 && width % side == 0,
        };
        if divides {
            return Ok(());
        }
        Err(attribute::refuse(self.node, "blocksize", side, "a number that divides the sides"))
    }

    fn grid(&self) -> Result<(), Fault> {
        self.rank(0, 4..=5)?;
        self.rank(1, 4..=5)?;
        let (Some(x), Some(grid)) = (self.shape(0), self.shape(1)) else { return Ok(()) };
        let fits = x.len() == grid.len() && grid[grid.len() - 1] == x.len() - 2 && grid[0] == x[0];
        if fits && !x[2..].contains(&0) {
            return Ok(());
        }
        Err(self.refuse(1, format!("of shape {grid:?}"), format!("positions in an image of shape {x:?}")))
    }

    fn permutation(&self) -> Result<(), Fault> {
        let Some(perm) = attribute::ints(self.node, "perm")? else { return Ok(()) };
        let rank = self.shape(0).map_or(perm.len(), <[usize]>::len);
        let mut sorted = perm.to_vec();
        sorted.sort_unstable();
        if sorted.iter().copied().eq(0..rank as i64) {
            return Ok(());
        }
        Err(attribute::refuse(
            self.node,
            "perm",
            format!("{perm:?}"),
            &format!("an order of 0 to {}", rank as i64 - 1),
        ))
    }

    /// An input that is a list of integers: rank 1, the length where given, no value below `least`.
    fn list(&self, index: usize, length: Option<usize>, least: i64) -> Result<(), Fault> {
        let Some(name) = self.node.input.get(index).filter(|n| !n.is_empty()) else { return Ok(()) };
        self.integers(index)?;
        self.rank(index, 1..=1)?;
        if let (Some([found]), Some(length)) = (self.shape(index), length)
            && *found != length
        {
            return Err(self.refuse(index, format!("a list of {found}"), format!("a list of {length}")));
        }
        let values = self.facts.integers(name).unwrap_or_default();
        match values.iter().find(|v| **v < least) {
            Some(value) => Err(self.refuse(
                index,
                format!("{values:?}"),
                format!("numbers from {least} on, not {value}"),
            )),
            None if values.len() > 24 => {
                Err(self.refuse(index, format!("a list of {}", values.len()), "at most 24"))
            }
            None => Ok(()),
        }
    }

    /// An input of integers.
    fn integers(&self, index: usize) -> Result<(), Fault> {
        let Some(name) = self.node.input.get(index).filter(|n| !n.is_empty()) else { return Ok(()) };
        match self.facts.dtype(name) {
            Some(dtype) if !(dtype.is_integer() || dtype.is_tdim()) => {
                Err(self.refuse(index, format!("of type {dtype:?}"), "integers"))
            }
            _ => Ok(()),
        }
    }

    /// An input of one element.
    fn single(&self, index: usize) -> Result<(), Fault> {
        self.rank(index, 0..=1)?;
        match self.shape(index) {
            Some([count]) if *count != 1 => {
                Err(self.refuse(index, format!("of {count} elements"), "one element"))
            }
            _ => Ok(()),
        }
    }

    /// A list of axes of the first input, or of the result where the operator adds them: no axis twice, none outside.
    fn axes(&self, index: usize) -> Result<(), Fault> {
        self.list(index, None, i64::MIN)?;
        let from_input = self.node.input.get(index).and_then(|name| self.facts.integers(name));
        let from_attribute = attribute::ints(self.node, "axes")?.map(<[i64]>::to_vec);
        let (Some(axes), Some(shape)) = (from_input.or(from_attribute), self.shape(0)) else { return Ok(()) };
        let added = if self.node.op_type == "Unsqueeze" { axes.len() } else { 0 };
        let rank = (shape.len() + added) as i64;
        let mut seen: Vec<i64> = axes.iter().map(|a| if *a < 0 { a + rank } else { *a }).collect();
        seen.sort_unstable();
        let is_twice = seen.windows(2).any(|w| w[0] == w[1]);
        if is_twice || seen.iter().any(|a| !(0..rank).contains(a)) {
            return Err(attribute::refuse(
                self.node,
                "axes",
                format!("{axes:?}"),
                &format!("axes of {rank}, each once"),
            ));
        }
        Ok(())
    }

    /// Squeeze drops axes of side 1 only.
    fn squeezed(&self) -> Result<(), Fault> {
        if self.node.op_type != "Squeeze" {
            return Ok(());
        }
        let from_input = self.node.input.get(1).and_then(|name| self.facts.integers(name));
        let axes =
            from_input.or(attribute::ints(self.node, "axes")?.map(<[i64]>::to_vec)).unwrap_or_default();
        let Some(shape) = self.shape(0) else { return Ok(()) };
        let side =
            |axis: &i64| shape.get((if *axis < 0 { axis + shape.len() as i64 } else { *axis }) as usize);
        if axes.iter().all(|axis| side(axis) == Some(&1)) {
            return Ok(());
        }
        Err(attribute::refuse(self.node, "axes", format!("{axes:?} of {shape:?}"), "axes of side 1"))
    }

    fn slice(&self) -> Result<(), Fault> {
        self.rank(0, 1..=12)?;
        let length = self.shape(1).and_then(|s| s.first()).copied();
        for index in 1..self.node.input.len() {
            self.list(index, length, i64::MIN)?;
        }
        let steps = self.node.input.get(4).and_then(|name| self.facts.integers(name)).unwrap_or_default();
        if steps.contains(&0) {
            return Err(self.refuse(4, format!("{steps:?}"), "steps other than 0"));
        }
        self.axes(3)
    }

    fn resize(&self) -> Result<(), Fault> {
        self.rank(0, 1..=8)?;
        let lists = if self.node.input.len() == 2 { 1..2 } else { 1..self.node.input.len() };
        for index in lists.filter(|i| self.node.input.get(*i).is_some_and(|n| !n.is_empty())) {
            self.rank(index, 1..=1)?;
            let value = self.facts.value(&self.node.input[index]);
            let cast = value.as_ref().and_then(|v| v.cast_to::<f32>().ok());
            let values =
                cast.as_ref().and_then(|v| v.as_plain_ram()?.as_slice::<f32>().ok()).unwrap_or_default();
            let is_roi = index == 1 && self.node.input.len() > 2;
            if !is_roi && values.iter().any(|v| !(*v > 0.0 && *v < 1e9)) {
                return Err(self.refuse(index, format!("{values:?}"), "numbers above 0"));
            }
        }
        match self.shape(0) {
            Some(shape) if shape.contains(&0) => {
                Err(self.refuse(0, format!("of shape {shape:?}"), "sides above 0"))
            }
            _ => Ok(()),
        }
    }

    fn indexed(&self) -> Result<(), Fault> {
        self.rank(0, 1..=12)?;
        if self.node.op_type.starts_with("Arg") { Ok(()) } else { self.integers(1) }
    }

    fn same_rank(&self) -> Result<(), Fault> {
        let ranks: Vec<usize> = self.shapes.iter().flatten().map(Vec::len).collect();
        match ranks.iter().position(|r| *r != ranks[0] || *r == 0) {
            Some(index) => {
                Err(self.refuse(index, format!("of {} axes", ranks[index]), "as many axes as the others"))
            }
            None => Ok(()),
        }
    }
}
