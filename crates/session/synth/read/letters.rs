//! The Sloan letters on their grid of 5 x 5 strokes, as starting points of legible sets.

use ndarray::Array5;
use protocol::ProtocolError;
use protocol::reader::{Range, Table};

use super::head::Stimulus;

/// The ten letters of Sloan (Am. J. Ophthalmol. 48, 1959) drawn on five rows of five strokes: their proportions (stroke =
/// height / 5) and their shapes as far as squares can have them.
const LETTERS: [(char, [&str; 5]); 10] = [
    ('C', [".####", "#....", "#....", "#....", ".####"]),
    ('D', ["####.", "#...#", "#...#", "#...#", "####."]),
    ('H', ["#...#", "#...#", "#####", "#...#", "#...#"]),
    ('K', ["#..##", "#.##.", "##...", "#.##.", "#..##"]),
    ('N', ["##..#", "###.#", "#.###", "#..##", "#...#"]),
    ('O', [".###.", "#...#", "#...#", "#...#", ".###."]),
    ('R', ["####.", "#...#", "####.", "#..#.", "#...#"]),
    ('S', [".####", "#....", ".###.", "....#", "####."]),
    ('V', ["#...#", "#...#", ".#.#.", ".#.#.", "..#.."]),
    ('Z', ["#####", "...#.", "..#..", ".#...", "#####"]),
];

/// `letters = { text = "CDHK", height_deg = 2.0, contrast = -0.5, centre_deg = [0.0, 0.0] }`: one letter for each stimulus.
/// Negative contrast is dark on grey; the letter's light is `0.5 (1 + contrast)`.
pub fn read(table: &Table<'_>, key: &str, stimulus: &Stimulus) -> Result<Array5<f32>, ProtocolError> {
    let table = table.table(key, &["text", "height_deg", "contrast", "centre_deg"])?;
    let text: Vec<char> = table.text("text")?.chars().collect();
    let known: String = LETTERS.iter().map(|(letter, _)| *letter).collect();
    if text.len() != stimulus.count || text.iter().any(|letter| !known.contains(*letter)) {
        let allowed = format!("one letter of {known} for each of the {} stimuli", stimulus.count);
        return Err(table.refuse("text", allowed));
    }
    let height_px = stimulus.px(table.number("height_deg", Range::above(0.0).up_to(180.0))?);
    let contrast = table.number("contrast", Range::from(-1.0).up_to(1.0))?;
    let centre = table.numbers("centre_deg", Some(2), Range::from(-180.0).up_to(180.0))?;
    if height_px < 5.0 || height_px > stimulus.side_px() {
        let (least, most) = (5.0, stimulus.side_px());
        let allowed = format!("{least} to {most} px for this stimulus; this is {height_px:.1} px");
        return Err(table.refuse("height_deg", allowed));
    }
    let [frames, channels, height, width] = stimulus.shape;
    let light = (0.5 * (1.0 + contrast)) as f32;
    let centre_px =
        [width as f64 / 2.0 + stimulus.px(centre[0]), height as f64 / 2.0 - stimulus.px(centre[1])];
    let is_ink = |letter: char, x: usize, y: usize| {
        let cell = |at: f64, centre: f64| ((at + 0.5 - centre) / height_px + 0.5) * 5.0;
        let (column, row) = (cell(x as f64, centre_px[0]).floor(), cell(y as f64, centre_px[1]).floor());
        let inside = |cell: f64| (0.0..5.0).contains(&cell);
        let rows = LETTERS.iter().find(|(other, _)| *other == letter).map(|(_, rows)| rows);
        inside(column)
            && inside(row)
            && rows.is_some_and(|rows| rows[row as usize].as_bytes()[column as usize] == b'#')
    };
    Ok(Array5::from_shape_fn((text.len(), frames, channels, height, width), |(index, _, _, y, x)| {
        if is_ink(text[index], x, y) { light } else { 0.5 }
    }))
}
