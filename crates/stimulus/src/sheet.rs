//! Sheets of texels: what is looked up instead of computed. Patterns that were filtered, letters, images, the frames of a
//! movie; and the one picture that a command names. With them goes the other thing that elements share: what users wrote.

use thiserror::Error;

use crate::own::{Here, Own, Program};

/// Everything that elements look up, prepared before the run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sheets {
    /// Sheets of values, -1..=1 or 0..=1.
    pub values: Vec<Texels<f32>>,
    /// Sheets of colours.
    pub images: Vec<Texels<[u8; 4]>>,
    /// What users wrote.
    pub programs: Vec<Program>,
}

impl Sheets {
    /// Nothing.
    pub const NONE: Self = Self { values: Vec::new(), images: Vec::new(), programs: Vec::new() };
}

/// One sheet, row-major from the top left corner.
#[derive(Debug, Clone, PartialEq)]
pub struct Texels<T> {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `width * height` texels.
    pub texels: Vec<T>,
}

/// A sheet that does not have as many texels as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a sheet of {width} x {height} texels was given {found} texels")]
pub struct SheetError {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Texels given.
    pub found: usize,
}

impl<T: Copy> Texels<T> {
    /// Checks the number of texels.
    ///
    /// # Errors
    /// When it is not `width * height`, or is 0.
    pub fn new(width: u32, height: u32, texels: Vec<T>) -> Result<Self, SheetError> {
        let found = texels.len();
        let right = found > 0 && found == width as usize * height as usize;
        if right { Ok(Self { width, height, texels }) } else { Err(SheetError { width, height, found }) }
    }

    /// The texel at a column and a row, where there is one.
    pub fn get(&self, column: i64, row: i64) -> Option<T> {
        let inside =
            column >= 0 && row >= 0 && column < i64::from(self.width) && row < i64::from(self.height);
        inside.then(|| self.texels[row as usize * self.width as usize + column as usize])
    }
}

/// How an element reads a sheet. The sheet's middle lies in the element's centre.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sheet {
    /// Which one; the course's layer is added to its place.
    pub source: Source,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Side of a texel in the element's px.
    pub texel_px: f64,
    /// Between texels.
    pub between: Between,
    /// What an image's numbers mean; values are used as they are.
    pub transfer: Transfer,
}

/// Where a sheet is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// At this place of its list in [`Sheets`].
    Place(u32),
    /// In the picture that the command names ([`crate::picture`]).
    Command,
}

/// What is seen between the middles of texels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Between {
    /// The nearest texel: squares.
    Nearest,
    /// Straight lines along both axes.
    Linear,
}

/// What the numbers of an image mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// sRGB codes (IEC 61966-2-1).
    Srgb,
    /// Linear light.
    Linear,
}

impl Transfer {
    /// Linear light 0..=1 of a code 0..=255.
    pub fn light(self, code: u8) -> f64 {
        let value = f64::from(code) / 255.0;
        match self {
            Self::Linear => value,
            Self::Srgb if value <= 0.04045 => value / 12.92,
            Self::Srgb => libm::pow((value + 0.055) / 1.055, 2.4),
        }
    }
}

impl Transfer {
    /// The code 0..=255 whose light is nearest to this.
    pub fn code(self, light: f64) -> u8 {
        let light = light.clamp(0.0, 1.0);
        let value = match self {
            Self::Linear => light,
            Self::Srgb if light <= 0.003_130_8 => 12.92 * light,
            Self::Srgb => 1.055 * libm::pow(light, 1.0 / 2.4) - 0.055,
        };
        libm::round(255.0 * value) as u8
    }
}

/// What elements may look up in one frame.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// What was prepared.
    pub sheets: &'a Sheets,
    /// The picture that the command names, row-major; empty is grey.
    pub picture: &'a [f32],
}

impl Content<'_> {
    /// Nothing to look up.
    pub const NONE: Content<'static> = Content { sheets: &Sheets::NONE, picture: &[] };

    /// A value at a point of an element; 0 outside of the sheet.
    pub fn value(&self, sheet: &Sheet, layer: u32, u: f64, v: f64) -> f64 {
        let texel = |column: i64, row: i64| match sheet.source {
            Source::Command => {
                let inside = (0..i64::from(sheet.width)).contains(&column)
                    && (0..i64::from(sheet.height)).contains(&row);
                let place = (row * i64::from(sheet.width) + column).max(0) as usize;
                self.picture.get(place).filter(|_| inside).map(|&value| [f64::from(value)])
            }
            Source::Place(first) => {
                let sheet = self.sheets.values.get((first + layer) as usize)?;
                sheet.get(column, row).map(|value| [f64::from(value)])
            }
        };
        sheet.look_up(u, v, texel)[0]
    }

    /// What a user's program says of a point; 0 where there is none.
    pub fn own(&self, own: &Own, here: &Here) -> f64 {
        let program = self.sheets.programs.get(own.program as usize);
        program.map_or(0.0, |program| program.at(own, here))
    }

    /// Linear light and opacity of an image at a point of an element; all 0 outside of it. Colours and opacity are read
    /// apart (an image's opacity is not multiplied into its colours).
    pub fn colour(&self, sheet: &Sheet, layer: u32, u: f64, v: f64) -> [f64; 4] {
        let Source::Place(first) = sheet.source else { return [0.0; 4] };
        let Some(image) = self.sheets.images.get((first + layer) as usize) else { return [0.0; 4] };
        let light = |code| sheet.transfer.light(code);
        sheet.look_up(u, v, |column, row| {
            let [r, g, b, a] = image.get(column, row)?;
            Some([light(r), light(g), light(b), f64::from(a) / 255.0])
        })
    }
}

impl Sheet {
    /// Width and height in the element's px.
    pub fn size_px(&self) -> [f64; 2] {
        [f64::from(self.width) * self.texel_px, f64::from(self.height) * self.texel_px]
    }

    fn look_up<const N: usize>(
        &self,
        u: f64,
        v: f64,
        texel: impl Fn(i64, i64) -> Option<[f64; N]>,
    ) -> [f64; N] {
        let x = u / self.texel_px + 0.5 * f64::from(self.width);
        let y = v / self.texel_px + 0.5 * f64::from(self.height);
        let outside = x < 0.0 || y < 0.0 || x >= f64::from(self.width) || y >= f64::from(self.height);
        if outside {
            return [0.0; N];
        }
        match self.between {
            Between::Nearest => texel(libm::floor(x) as i64, libm::floor(y) as i64).unwrap_or([0.0; N]),
            Between::Linear => {
                let (left, top) = (libm::floor(x - 0.5), libm::floor(y - 0.5));
                let (right, down) = (x - 0.5 - left, y - 0.5 - top);
                let clamped = |at: f64, size: u32| (at as i64).clamp(0, i64::from(size) - 1);
                let mut sum = [0.0; N];
                for (dx, dy, weight) in [
                    (0.0, 0.0, (1.0 - right) * (1.0 - down)),
                    (1.0, 0.0, right * (1.0 - down)),
                    (0.0, 1.0, (1.0 - right) * down),
                    (1.0, 1.0, right * down),
                ] {
                    let at = texel(clamped(left + dx, self.width), clamped(top + dy, self.height));
                    for (sum, value) in sum.iter_mut().zip(at.unwrap_or([0.0; N])) {
                        *sum += weight * value;
                    }
                }
                sum
            }
        }
    }
}
