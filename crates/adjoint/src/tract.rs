//! tract, as far as this crate uses it. No other file here names a crate of tract, whose operators and planner are
//! declared unstable: what an upgrade can break stands in this list, name by name.
//!
//! A name that leaves tract, or that nothing here uses any more, is an error or a warning of the compiler in this file.
//! The steps of an upgrade are in ARCHITECTURE.md.

// The graph between import and executor: nodes, the edges between them, what is known of each edge, and how nodes are
// put in the place of others.
pub(crate) use tract_core::internal::{
    Fact, InletId, OutletId, ShapeFact, SpecialOps, TypedFact, TypedModel, TypedModelPatch, TypedNode,
};

// What flows along an edge. The import also counts in tract's dimensions and numbers.
pub(crate) use tract_core::internal::{
    Datum, DatumExt, DatumType, DimLike, IntoArcTensor, IntoTValue, IntoTensor, TValue, TVec, Tensor, ToDim,
    tensor0, tensor1, tvec,
};
pub(crate) use tract_core::tract_data::half::{bf16, f16};

// tract's errors, which the functions that build and run graphs hand on with their place.
pub(crate) use tract_core::internal::{TractError, TractErrorContext, TractResult, ensure, format_err};

// What an operator of our own has to implement. The macros write methods that differ between versions; they look
// their types up where they are used, so that a file with an operator takes all of this module.
pub(crate) use tract_core::internal::{
    EvalContext, EvalOp, Op, StaticName, TypedOp, args_1, args_2, args_3, as_op, not_out_of_plan,
    op_as_typed_op, op_out_of_plan,
};

/// Operators of decluttered graphs: those that have a rule, that backward graphs are made of, or that are lowered.
pub(crate) mod op {
    pub(crate) use tract_core::axes::AxesMapping;
    pub(crate) use tract_core::ops::Downsample;
    pub(crate) use tract_core::ops::array::{
        CumSum, DynSlice, Gather, GatherElements, GatherNd, MultiBroadcastTo, Pad, PadMode, ScatterElements,
        ScatterNd, ScatterReduction, Slice, StridedSlice, Tile, Topk, Trilu, TypedConcat,
    };
    pub(crate) use tract_core::ops::binary::{BinMiniOp, TypedBinOp};
    pub(crate) use tract_core::ops::cast::{Cast, cast};
    pub(crate) use tract_core::ops::change_axes::AxisOp;
    pub(crate) use tract_core::ops::cnn::{
        Conv, Deconv, KernelFormat, MaxPool, PaddingSpec, PoolSpec, SumPool,
    };
    pub(crate) use tract_core::ops::dummy::Dummy;
    pub(crate) use tract_core::ops::einsum::EinSum;
    pub(crate) use tract_core::ops::element_wise::{ElementWiseMiniOp, ElementWiseOp};
    pub(crate) use tract_core::ops::identity::Identity;
    pub(crate) use tract_core::ops::konst::Const;
    pub(crate) use tract_core::ops::logic::{Iff, comp_eq};
    pub(crate) use tract_core::ops::nn::grid_sample::{GridSample, InterpolationMode, PaddingMode};
    pub(crate) use tract_core::ops::nn::resize::{NearestUpsample, Resize};
    pub(crate) use tract_core::ops::nn::{
        DataFormat, HardSwish, LeakyRelu, Reduce, Reducer, RmsNorm, ScaledRmsNorm, Sigmoid, Softmax,
        SoftmaxKind, gelu_approximate, gelu_exact, silu,
    };
    pub(crate) use tract_onnx_opl::lrn::Lrn;
    pub(crate) use tract_onnx_opl::resize::{AspectRatio, CoordTransform, Resize as OnnxResize};
}

/// Functions of one or two numbers: the types by which rules know them, and what builds a node of them.
pub(crate) mod math {
    pub(crate) use tract_core::ops::math::{
        Abs, Acos, Acosh, Add, Asin, Asinh, Atan, Atanh, Ceil, Cos, Cosh, Div, Erf, Exp, Floor, Ln, Max, Min,
        Mul, Neg, Pow, PowConst, Recip, Rem, Round, RoundHalfToEven, Rsqrt, Sign, Sin, Sinh, Sqrt, Square,
        Sub, SubF, Tan, Tanh, add, div, exp, ln, mul, neg, pow, sub,
    };
}

/// The planner: a graph is run node by node on a state of its own.
pub(crate) mod plan {
    pub(crate) use tract_core::internal::RunOptions;
    pub(crate) use tract_core::plan::{SimplePlan, SimpleState, eval};
}

/// The messages of an ONNX file.
pub(crate) mod pb {
    pub(crate) use tract_onnx::pb::attribute_proto::AttributeType;
    pub(crate) use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
    pub(crate) use tract_onnx::pb::tensor_shape_proto::dimension::Value as DimValue;
    pub(crate) use tract_onnx::pb::{
        AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto,
        TrainingInfoProto, TypeProto, ValueInfoProto, type_proto,
    };
}

/// tract's ONNX importer: the operator behind a node, and the shape inference that is run node by node ahead of it.
pub(crate) mod importer {
    use tract_onnx::model::ParsingContext;
    use tract_onnx::pb::{ModelProto, NodeProto};
    pub(crate) use tract_onnx::tract_hir::internal::{
        Factoid, InferenceFact, InferenceModel, InferenceModelExt, InferenceOp,
    };

    use super::{TractErrorContext, TractResult};

    /// The operators that tract can read.
    pub(crate) struct Register(tract_onnx::Onnx);

    impl Register {
        pub fn new() -> Self {
            Self(tract_onnx::onnx())
        }

        pub fn knows(&self, operator: &str) -> bool {
            self.0.op_register.0.contains_key(operator)
        }

        /// The operator of a node, as a version of the operator set means it. It sees nothing of the graph around the
        /// node: bodies, which would need it, have been written out.
        pub fn operator(&self, node: &NodeProto, version: i64) -> TractResult<Box<dyn InferenceOp>> {
            let builder = self.0.op_register.0.get(&node.op_type).context("an unknown operator")?;
            let context = ParsingContext {
                onnx_operator_set_version: version,
                framework: &self.0,
                model: &ModelProto::default(),
                parent_graphs: Vec::new(),
                model_dir: None,
                template: InferenceModel::default(),
            };
            builder(&context, node).map(|(op, _)| op)
        }
    }
}

/// What only unit tests use: the values of models that they write themselves.
#[cfg(test)]
pub(crate) mod testing {
    pub(crate) use tract_core::internal::{TypedSimplePlan, tensor2};
    pub(crate) use tract_core::ops::logic::comp_lt;
    pub(crate) use tract_core::ops::math::tanh;
    pub(crate) use tract_core::ops::nn::resize::{CoordTransformer, Interpolator, Nearest};
    pub(crate) use tract_core::ops::nn::sigmoid;
    pub(crate) use tract_onnx_opl::resize::Nearest as OnnxNearest;
}
