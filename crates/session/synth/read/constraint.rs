//! `[constraint]`: what the display can show and the rules allow.

use protocol::ProtocolError;
use protocol::reader::{Range, Table};
use synthesis::constraint::{Aperture, Constraints, Contrast, Display, FlashRule};

use super::model::Arms;
use crate::synth::picture::{Code, Coding};

/// Reads the constraints and checks that they leave something. `coding` is what the pictures are written in.
pub fn read(root: &Table<'_>, arms: &mut Arms<'_>, coding: Coding) -> Result<Constraints, ProtocolError> {
    let keys = ["range", "mean", "contrast", "peak", "aperture", "display", "photosensitivity"];
    let table = root.table("constraint", &keys)?;
    let unit = Range::from(0.0).up_to(1.0);
    let range = table.span_of_numbers("range", unit)?;
    let constraints = Constraints {
        range,
        mean: table.optional("mean", |t, key| t.number(key, unit))?,
        contrast: table.optional("contrast", contrast)?,
        peak: table.optional("peak", |t, key| t.number(key, Range::above(0.0).up_to(1.0)))?,
        aperture: table.optional("aperture", |t, key| aperture(t, key, arms))?,
        display: table.optional("display", |t, key| display(t, key, coding))?,
        flash: photosensitivity(&table, arms)?,
    };
    let [t, c, h, w] = arms.stimulus.shape;
    constraints
        .check([arms.stimulus.count, t, c, h, w])
        .map_err(|error| root.contradiction("constraint", error.to_string()))?;
    Ok(constraints)
}

/// `contrast = { sd_at_most = 0.2 }` or `{ sd_exactly = 0.2 }`: the standard deviation of light.
fn contrast(table: &Table<'_>, key: &str) -> Result<Contrast, ProtocolError> {
    let kinds = ["sd_at_most", "sd_exactly"];
    let body = table.table(key, &kinds)?;
    let range = Range::above(0.0).up_to(0.5);
    Ok(match body.one_of(&kinds)? {
        key @ "sd_at_most" => Contrast::AtMost(body.number(key, range)?),
        key => Contrast::Exactly(body.number(key, range)?),
    })
}

fn aperture(table: &Table<'_>, key: &str, arms: &Arms<'_>) -> Result<Aperture, ProtocolError> {
    let body = table.table(key, &["radius_deg", "edge_deg", "centre_deg"])?;
    let px = |deg: f64| arms.stimulus.px(deg);
    let centre = body.numbers("centre_deg", Some(2), Range::from(-180.0).up_to(180.0))?;
    Ok(Aperture {
        // Degrees count upwards, rows downwards.
        centre_px: [px(centre[0]), -px(centre[1])],
        radius_px: px(body.number("radius_deg", Range::above(0.0).up_to(180.0))?),
        edge_px: px(body.number("edge_deg", Range::from(0.0).up_to(180.0))?),
    })
}

fn display(table: &Table<'_>, key: &str, coding: Coding) -> Result<Display, ProtocolError> {
    let body = table.table(key, &["bits", "gamma"])?;
    let display = Display {
        bits: body.integer("bits", 1..=16)? as u32,
        gamma: body.number("gamma", Range::from(0.5).up_to(5.0))?,
    };
    if let Code::Gamma(gamma) = coding.code
        && gamma != display.gamma
    {
        return Err(
            body.refuse("gamma", format!("output.display.gamma, {gamma}: both are the same display's"))
        );
    }
    Ok(display)
}

/// A movie has to say whether the rule binds it, and on which screen; an image needs no word.
fn photosensitivity(table: &Table<'_>, arms: &mut Arms<'_>) -> Result<Option<FlashRule>, ProtocolError> {
    let key = "photosensitivity";
    let Some(frame_rate_hz) = arms.stimulus.rate_hz else {
        return match table.has(key) {
            true => Err(table.contradiction(key, "judges movies, and [stimulus] has no `movie`")),
            false => Ok(None),
        };
    };
    let kinds = ["rule", "unbound"];
    let body = table.table(key, &kinds)?;
    match body.one_of(&kinds)? {
        key @ "rule" => {
            let rule = body.table(key, &["rig", "looped"])?;
            let path = super::head::file(&rule, "rig", &arms.folder)?;
            arms.used(&rule, "rig", &path)?;
            let fault = |error: &dyn std::fmt::Display| rule.refuse("rig", format!("a rig file: {error}"));
            let rig = protocol::Rig::load(&path).map_err(|error| fault(&error))?;
            let screen = crate::experiment::screen(&rig).map_err(|error| fault(&error))?;
            let width_deg = arms.stimulus.width_deg;
            Ok(Some(FlashRule { screen, width_deg, frame_rate_hz, looped: rule.boolean("looped")? }))
        }
        key => {
            // For a model's eyes only; whoever writes it says why.
            body.table(key, &["reason"])?.text("reason")?;
            Ok(None)
        }
    }
}
