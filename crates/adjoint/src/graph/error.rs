//! Why a model has no gradient, or why one step failed.

use super::NodeName;
use crate::tract::*;

/// A gradient that could not be built.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum GradientError {
    /// An operator between input and output has no gradient.
    #[error("node {} ({}): {reason}", .node.node, .node.operator)]
    NoGradient {
        /// The node.
        node: NodeName,
        /// Why it has none.
        reason: String,
    },
    /// An input of which the outputs do not depend, or only through steps, whose derivative is zero.
    #[error("no gradient reaches the input {input}{}", cut(.steps))]
    NotReached {
        /// The input's name.
        input: String,
        /// Nodes at which the derivative is zero almost everywhere.
        steps: Vec<NodeName>,
    },
    /// A node that could not be differentiated although it has a rule.
    #[error("node {} ({}): {message}", .node.node, .node.operator)]
    Node {
        /// The node.
        node: NodeName,
        /// tract's words.
        message: String,
    },
    /// A failure of the graph as a whole.
    #[error("the graph could not be built: {message}")]
    Graph {
        /// tract's words.
        message: String,
    },
}

/// The end of the message about an input that no gradient reaches.
fn cut(steps: &[NodeName]) -> String {
    if steps.is_empty() {
        return ": no output depends on it".into();
    }
    let names: Vec<String> = steps.iter().map(|step| format!("{} ({})", step.node, step.operator)).collect();
    format!(": the derivative is zero almost everywhere at {}", names.join(", "))
}

impl GradientError {
    /// A failure that no single node explains.
    pub(crate) fn graph(error: TractError) -> Self {
        Self::Graph { message: format!("{error:#}") }
    }

    /// A failure at a node.
    pub(super) fn at(node: &TypedNode, error: TractError) -> Self {
        Self::Node { node: NodeName::of(node), message: format!("{error:#}") }
    }
}
