//! A walk over the bytes of an ONNX file before they are decoded.
//!
//! Decoding blows a file up: an empty node takes two bytes in the file and some two hundred in memory. The walk follows
//! the protobuf schema of ONNX without building anything, adds up what decoding would allocate, and finds where a file
//! was cut short, so that the error can say so with its place.

use std::mem::size_of;

use crate::error::Fault;
use crate::tract::pb;

/// Depth of messages inside messages; the decoder below gives up at 100.
const DEPTH: usize = 90;

/// Messages of the ONNX schema that hold others or lists.
#[derive(Clone, Copy, PartialEq)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Sparse,
    Value,
    Type,
    TensorType,
    Shape,
    Training,
    Function,
    Annotation,
    /// Two short fields: dimensions, pairs of strings, operator set ids, segments.
    Small,
}

/// What a field holds.
enum Field {
    Message(Message),
    /// A list of numbers of so many bytes once decoded; `packed_width` bytes each in the file, 0 for varints.
    Numbers {
        bytes: u64,
        packed_width: u64,
    },
    /// Anything else: strings, bytes, scalars, fields unknown to the schema.
    Plain,
}

impl Message {
    /// Bytes that one decoded message takes in its parent's list (lists grow by doubling, hence twice).
    fn bytes(self) -> u64 {
        let size = match self {
            Message::Model => size_of::<pb::ModelProto>(),
            Message::Graph => size_of::<pb::GraphProto>(),
            Message::Node => size_of::<pb::NodeProto>(),
            Message::Attribute => size_of::<pb::AttributeProto>(),
            Message::Tensor => size_of::<pb::TensorProto>(),
            Message::Sparse => size_of::<pb::SparseTensorProto>(),
            Message::Value => size_of::<pb::ValueInfoProto>(),
            Message::Type | Message::TensorType | Message::Shape => size_of::<pb::TypeProto>(),
            Message::Training => size_of::<pb::TrainingInfoProto>(),
            Message::Function => size_of::<pb::FunctionProto>(),
            Message::Annotation | Message::Small => 64,
        };
        2 * size as u64
    }

    /// What field `number` of this message holds.
    fn field(self, number: u64) -> Field {
        use Message::*;
        let varints = Field::Numbers { bytes: 8, packed_width: 0 };
        match (self, number) {
            (Model, 7) | (Attribute, 6 | 11) | (Training, 1 | 2) => Field::Message(Graph),
            (Model, 8 | 14) | (Tensor, 3 | 13) | (Shape, 1) | (Function, 9) => Field::Message(Small),
            (Training, 3 | 4) | (Annotation, 2) => Field::Message(Small),
            (Model, 20) => Field::Message(Training),
            (Model, 25) => Field::Message(Function),
            (Graph, 1) | (Function, 7) => Field::Message(Node),
            (Graph, 5) | (Attribute, 5 | 10) | (Sparse, 1 | 2) => Field::Message(Tensor),
            (Graph, 15) | (Attribute, 22 | 23) => Field::Message(Sparse),
            (Graph, 11..=13) => Field::Message(Value),
            (Graph, 14) => Field::Message(Annotation),
            (Node, 5) => Field::Message(Attribute),
            (Value, 2) | (Attribute, 15) => Field::Message(Type),
            (Type, 1) => Field::Message(TensorType),
            (TensorType, 2) => Field::Message(Shape),
            (Attribute, 8) | (Tensor, 1 | 5 | 7 | 11) | (Sparse, 3) => varints,
            (Attribute, 7) | (Tensor, 4) => Field::Numbers { bytes: 4, packed_width: 4 },
            (Tensor, 10) => Field::Numbers { bytes: 8, packed_width: 8 },
            _ => Field::Plain,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Message::Model => "the model",
            Message::Graph => "a graph",
            Message::Node => "a node",
            Message::Attribute => "an attribute",
            Message::Tensor => "a tensor",
            Message::Sparse => "a sparse tensor",
            Message::Value | Message::Type | Message::TensorType | Message::Shape => "a tensor's type",
            Message::Training => "training info",
            Message::Function => "a function",
            Message::Annotation | Message::Small => "a small message",
        }
    }
}

/// Checks that `bytes` are whole protobuf of ONNX's shape and that decoding them takes at most `limit` bytes.
pub(super) fn scan(bytes: &[u8], limit: u64) -> Result<(), Fault> {
    let mut scanner = Scanner { bytes, at: 0, cost: 0, limit };
    if bytes.is_empty() {
        return Err(scanner.fault("the file is empty".to_owned()));
    }
    scanner.message(Message::Model, bytes.len(), 0)
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    cost: u64,
    limit: u64,
}

impl Scanner<'_> {
    fn fault(&self, reason: String) -> Fault {
        Fault::NotOnnx { reason, offset: self.at, length: self.bytes.len() }
    }

    fn charge(&mut self, bytes: u64) -> Result<(), Fault> {
        self.cost = self.cost.saturating_add(bytes);
        if self.cost > self.limit {
            return Err(Fault::Memory {
                what: format!("the decoded file (up to its byte {})", self.at),
                bytes: self.cost,
                limit: self.limit,
            });
        }
        Ok(())
    }

    fn varint(&mut self, end: usize) -> Result<u64, Fault> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            if self.at >= end {
                return Err(self.fault("cut short inside a number".to_owned()));
            }
            let byte = self.bytes[self.at];
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.fault("a number of more than 64 bits".to_owned()))
    }

    fn skip(&mut self, count: u64, end: usize, inside: Message) -> Result<(), Fault> {
        let left = (end - self.at) as u64;
        if count > left {
            return Err(self.fault(format!(
                "{} says that {count} bytes follow, there are {left}: cut short, or not an ONNX model",
                inside.name()
            )));
        }
        self.at += count as usize;
        Ok(())
    }

    fn message(&mut self, kind: Message, end: usize, depth: usize) -> Result<(), Fault> {
        if depth > DEPTH {
            return Err(self.fault(format!("messages nested deeper than {DEPTH}")));
        }
        self.charge(kind.bytes())?;
        while self.at < end {
            let key = self.varint(end)?;
            let (number, wire_type) = (key >> 3, key & 7);
            if number == 0 || number > 1 << 29 {
                return Err(self.fault(format!("{} has no field {number}: not an ONNX model", kind.name())));
            }
            self.field(kind, number, wire_type, end, depth)?;
        }
        Ok(())
    }

    fn field(
        &mut self,
        kind: Message,
        number: u64,
        wire_type: u64,
        end: usize,
        depth: usize,
    ) -> Result<(), Fault> {
        let field = kind.field(number);
        match wire_type {
            0 => {
                self.varint(end)?;
                self.charge(16)
            }
            1 => self.skip(8, end, kind).and_then(|()| self.charge(16)),
            5 => self.skip(4, end, kind).and_then(|()| self.charge(16)),
            2 => {
                let length = self.varint(end)?;
                let start = self.at;
                self.skip(length, end, kind)?;
                let stop = self.at;
                match field {
                    Field::Message(inner) => {
                        self.at = start;
                        self.message(inner, stop, depth + 1)
                    }
                    Field::Numbers { bytes, packed_width: 0 } => {
                        let count = self.bytes[start..stop].iter().filter(|b| **b < 0x80).count();
                        self.charge(2 * bytes * count as u64)
                    }
                    Field::Numbers { bytes, packed_width } => {
                        self.charge(2 * bytes * (length / packed_width))
                    }
                    Field::Plain => self.charge(length.saturating_add(48)),
                }
            }
            other => Err(self.fault(format!(
                "field {number} of {} has the wire type {other}: not an ONNX model",
                kind.name()
            ))),
        }
    }
}
