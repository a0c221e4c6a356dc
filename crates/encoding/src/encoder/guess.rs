//! A model's form from what its file says of the input, where only one reading is possible.

use adjoint::{Dim, TensorInfo};

use super::EncoderError;
use crate::form::{Form, Layout, Transfer};

/// What a model's numbers mean. No file of others says it, and no default would be right for all of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Code {
    /// Code of the values before mean and sd.
    pub transfer: Transfer,
    /// Per channel of the model, or one for all; subtracted.
    pub mean: Vec<f32>,
    /// Per channel of the model, or one for all; divided by.
    pub sd: Vec<f32>,
    /// The model wants blue, green, red.
    pub bgr: bool,
}

/// Channels that a stimulus can have: grey, or red, green and blue.
const CHANNELS: [usize; 2] = [1, 3];

/// The order of a model's axes: that in which one axis alone can be the channels (1 or 3 of them).
///
/// # Errors
/// [`EncoderError::Ambiguous`] where there is none, or more than one.
pub fn guess_layout(info: &TensorInfo) -> Result<Layout, EncoderError> {
    let ambiguous = |reason: String| EncoderError::Ambiguous {
        input: info.name.clone(),
        shape: info.shape_text(),
        reason,
    };
    let dims = info.shape.as_deref().unwrap_or_default();
    let candidates: &[(Layout, usize)] = match dims.len() {
        4 => &[(Layout::Nchw, 1), (Layout::Nhwc, 3)],
        5 => &[(Layout::Ncthw, 1), (Layout::Ntchw, 2)],
        axes => return Err(ambiguous(format!("an image has 4 axes and a movie 5, not {axes}"))),
    };
    let can_be = |axis: usize| matches!(dims[axis], Dim::Known(n) if CHANNELS.contains(&n));
    let mut fitting = candidates.iter().filter(|(_, axis)| can_be(*axis)).map(|(layout, _)| *layout);
    match (fitting.next(), fitting.next()) {
        (Some(layout), None) => Ok(layout),
        (Some(one), Some(other)) => Err(ambiguous(format!("it can be read as {one:?} and as {other:?}"))),
        (None, _) => Err(ambiguous("no axis has 1 or 3 channels where images have them".to_owned())),
    }
}

/// The form of an input: the layout from its shape, sizes from the file or, where it leaves them open, from `open`
/// ([T, C, H, W], zero where nothing is known).
///
/// # Errors
/// A layout that cannot be told; a size that nobody gives.
pub fn guess_form(info: &TensorInfo, code: &Code, open: [usize; 4]) -> Result<Form, EncoderError> {
    form_of(info, guess_layout(info)?, code, open)
}

/// As [`guess_form`], for a layout that is known.
///
/// # Errors
/// A number of axes that is not the layout's; a size that nobody gives.
pub fn form_of(
    info: &TensorInfo,
    layout: Layout,
    code: &Code,
    open: [usize; 4],
) -> Result<Form, EncoderError> {
    let dims = info.shape.as_deref().unwrap_or_default();
    let axes = axes_of(layout);
    if dims.len() != axes.len() {
        let reason = format!("the layout {layout:?} has {} axes", axes.len());
        let (input, shape) = (info.name.clone(), info.shape_text());
        return Err(EncoderError::Ambiguous { input, shape, reason });
    }
    let mut shape = open;
    if axes.len() == 4 {
        shape[0] = 1;
    }
    for (dim, axis) in dims.iter().zip(axes).skip(1) {
        if let (Dim::Known(size), Some(axis)) = (dim, axis) {
            shape[*axis] = *size;
        }
    }
    if let Some(axis) = shape.iter().position(|size| *size == 0) {
        let axis = ["frames", "channels", "height", "width"][axis];
        return Err(EncoderError::OpenAxis { input: info.name.clone(), shape: info.shape_text(), axis });
    }
    let per_channel = |values: &[f32]| match values {
        [one] => vec![*one; shape[1]],
        several => several.to_vec(),
    };
    Ok(Form {
        layout,
        shape,
        transfer: code.transfer,
        mean: per_channel(&code.mean),
        sd: per_channel(&code.sd),
        bgr: code.bgr,
    })
}

/// For each axis of a layout its place in [T, C, H, W]; none for the batch.
pub(super) fn axes_of(layout: Layout) -> &'static [Option<usize>] {
    match layout {
        Layout::Nchw => &[None, Some(1), Some(2), Some(3)],
        Layout::Nhwc => &[None, Some(2), Some(3), Some(1)],
        Layout::Ncthw => &[None, Some(1), Some(0), Some(2), Some(3)],
        Layout::Ntchw => &[None, Some(0), Some(1), Some(2), Some(3)],
    }
}

/// Refuses a form that contradicts itself.
pub(super) fn check_form(form: &Form) -> Result<(), EncoderError> {
    let wrong = |what, found: String, allowed: String| Err(EncoderError::Form { what, found, allowed });
    let [frames, channels, height, width] = form.shape;
    if [frames, channels, height, width].contains(&0) {
        return wrong("shape", format!("{:?}", form.shape), "[T, C, H, W] of at least 1 each".into());
    }
    if !CHANNELS.contains(&channels) {
        return wrong(
            "channels",
            channels.to_string(),
            "1 (grey) or 3 (red, green, blue) are allowed".into(),
        );
    }
    if axes_of(form.layout).len() == 4 && frames != 1 {
        return wrong("frames", frames.to_string(), format!("{:?} is an image: 1", form.layout));
    }
    for (what, values) in [("a mean for", &form.mean), ("an sd for", &form.sd)] {
        if values.len() != channels {
            return wrong(what, format!("{} channels", values.len()), format!("the model has {channels}"));
        }
    }
    if let Some(mean) = form.mean.iter().find(|mean| !mean.is_finite()) {
        return wrong("the mean", mean.to_string(), "finite numbers are allowed".into());
    }
    match form.sd.iter().find(|sd| !(sd.is_finite() && **sd > 0.0)) {
        Some(sd) => wrong("the sd", sd.to_string(), "finite numbers above 0 are allowed".into()),
        None => Ok(()),
    }
}
