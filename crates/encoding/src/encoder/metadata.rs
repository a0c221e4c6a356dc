//! What an embedded model's file says of itself, in the keys and values beside its graph.
//!
//! | key | value |
//! |---|---|
//! | `photic.layout` | `nchw`, `nhwc`, `ncthw` or `ntchw`; where it is missing, it follows from the shape or is an error |
//! | `photic.transfer` | `linear` or `srgb` |
//! | `photic.mean`, `photic.sd` | numbers with commas, one per channel or one for all |
//! | `photic.bgr` | `true` or `false`; `false` where it is missing |
//! | `photic.parameter.NAME` | value of the input NAME, or value, lowest and highest, with commas |

use adjoint::TensorInfo;
use ndarray::arr0;

use super::guess::{Code, form_of, guess_layout};
use super::{EncoderError, Parameter};
use crate::form::{Form, Layout, Transfer};

/// The form that the file says, if it says one.
pub(super) fn form(metadata: &[(String, String)], image: &TensorInfo) -> Result<Option<Form>, EncoderError> {
    let get = |key: &str| metadata.iter().find(|(other, _)| other == key).map(|(_, value)| value.trim());
    let wrong = |what, found: &str, allowed: &str| EncoderError::Form {
        what,
        found: format!("{found:?}"),
        allowed: format!("allowed is {allowed}"),
    };
    let (Some(transfer), Some(mean), Some(sd)) =
        (get("photic.transfer"), get("photic.mean"), get("photic.sd"))
    else {
        return Ok(None);
    };
    let list = |what, text: &str| numbers(text).ok_or_else(|| wrong(what, text, "numbers with commas"));
    let layout = match get("photic.layout") {
        None => guess_layout(image)?,
        Some("nchw") => Layout::Nchw,
        Some("nhwc") => Layout::Nhwc,
        Some("ncthw") => Layout::Ncthw,
        Some("ntchw") => Layout::Ntchw,
        Some(other) => return Err(wrong("photic.layout", other, "nchw, nhwc, ncthw or ntchw")),
    };
    let code = Code {
        transfer: match transfer {
            "linear" => Transfer::Linear,
            "srgb" => Transfer::Srgb,
            other => return Err(wrong("photic.transfer", other, "linear or srgb")),
        },
        mean: list("photic.mean", mean)?.into_iter().map(|v| v as f32).collect(),
        sd: list("photic.sd", sd)?.into_iter().map(|v| v as f32).collect(),
        bgr: match get("photic.bgr") {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => return Err(wrong("photic.bgr", other, "true or false")),
        },
    };
    form_of(image, layout, &code, [0; 4]).map(Some)
}

/// The input `name` with what the file says of its value.
pub(super) fn parameter(metadata: &[(String, String)], name: &str) -> Parameter {
    let key = format!("photic.parameter.{name}");
    let said = metadata.iter().find(|(other, _)| *other == key).and_then(|(_, text)| numbers(text));
    let (value, range) = match said.as_deref() {
        Some([value]) => (Some(*value), None),
        Some([value, low, high]) => (Some(*value), Some([*low, *high])),
        _ => (None, None),
    };
    Parameter { name: name.to_owned(), value: value.map(|value| arr0(value as f32).into_dyn()), range }
}

fn numbers(text: &str) -> Option<Vec<f64>> {
    text.split(',').map(|number| number.trim().parse::<f64>().ok()).collect()
}
