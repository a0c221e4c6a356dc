//! A model file as an encoder of stimuli: what its numbers mean comes from the file or from the arguments.

use std::path::Path;

use adjoint::{Model, TensorInfo};
use encoding::encoder::{Code, Encoder, EncoderError, Features, form_of, guess_form};
use encoding::form::{Layout, Transfer};

use super::Loader;
use crate::cli::{FormArgs, LayoutName, TransferName};
use crate::error::SessionError;

/// Opens a model for stimuli [T, C, H, W]; sizes that its file leaves open are theirs.
///
/// # Errors
/// A file that is refused, or whose input cannot be understood; arguments that are not all given.
pub(super) fn open(
    loader: &Loader,
    path: &Path,
    args: &FormArgs,
    shape: [usize; 4],
) -> Result<Encoder, SessionError> {
    let model = loader.open(path)?;
    let name = path.display().to_string();
    let given = args.transfer.is_some() || !args.mean.is_empty() || !args.sd.is_empty();
    let form = if given {
        let missing = |argument: &str| SessionError::Argument {
            argument: argument.into(),
            reason: "is missing: --transfer, --mean and --sd say together what the model's numbers mean"
                .into(),
        };
        let transfer = match args.transfer.ok_or_else(|| missing("--transfer"))? {
            TransferName::Linear => Transfer::Linear,
            TransferName::Srgb => Transfer::Srgb,
        };
        let some = |values: &Vec<f32>, argument: &str| {
            if values.is_empty() { Err(missing(argument)) } else { Ok(values.clone()) }
        };
        let (mean, sd) = (some(&args.mean, "--mean")?, some(&args.sd, "--sd")?);
        let code = Code { transfer, mean, sd, bgr: args.bgr };
        let input = stimulus_input(&model, &name)?;
        Some(match args.layout.map(layout) {
            Some(layout) => form_of(input, layout, &code, shape)?,
            None => guess_form(input, &code, shape)?,
        })
    } else {
        None
    };
    Ok(Encoder::new(model, &name, form)?)
}

/// The input that can take stimuli: a float of 4 or 5 axes.
///
/// # Errors
/// None or several of them.
pub(crate) fn stimulus_input<'a>(model: &'a Model, file: &str) -> Result<&'a TensorInfo, EncoderError> {
    let fits = |info: &&TensorInfo| {
        info.dtype.is_float() && info.shape.as_ref().is_some_and(|shape| matches!(shape.len(), 4 | 5))
    };
    let fitting: Vec<&TensorInfo> = model.inputs().iter().filter(fits).collect();
    match fitting[..] {
        [one] => Ok(one),
        _ => {
            let inputs = model.inputs().iter().map(|info| format!("{} {}", info.name, info.shape_text()));
            let (file, count) = (file.to_owned(), fitting.len());
            Err(EncoderError::Input { file, count, inputs: inputs.collect::<Vec<_>>().join(", ") })
        }
    }
}

fn layout(name: LayoutName) -> Layout {
    match name {
        LayoutName::Nchw => Layout::Nchw,
        LayoutName::Nhwc => Layout::Nhwc,
        LayoutName::Ncthw => Layout::Ncthw,
        LayoutName::Ntchw => Layout::Ntchw,
    }
}

/// A tap with the pooling that `--pool` asks for.
///
/// # Errors
/// A text that does not read ROWSxCOLUMNS.
pub(super) fn features(tap: &str, pool: Option<&str>) -> Result<Features, SessionError> {
    let Some(text) = pool else { return Ok(Features::of(tap)) };
    let parsed =
        text.split_once('x').and_then(|(rows, columns)| Some((rows.parse().ok()?, columns.parse().ok()?)));
    match parsed {
        Some((rows, columns)) => Ok(Features::pooled(tap, rows, columns)),
        None => Err(SessionError::Argument {
            argument: format!("--pool {text}"),
            reason: "it should read ROWSxCOLUMNS, as 8x8".into(),
        }),
    }
}
