// Between the stimulus pass and a user's own WGSL; twin: stimulus::own. The function `own`, which calls the user's `value`
// with as many parameters as the file declares, is written by stimulus::own.

// For each element px per degree, seconds per refresh, and its parameters.
@group(0) @binding(8) var<storage, read> own_numbers: array<f32>;

fn own_here(in: Varying, at: vec2<f32>) -> Here {
    let px_per_deg = own_numbers[in.numbers.x];
    var here: Here;
    here.px = vec2<f32>(at.x, -at.y);
    here.deg = here.px / px_per_deg;
    here.deg_per_px = 1.0 / (px_per_deg * in.course.w);
    here.s = f32(in.numbers.y) * own_numbers[in.numbers.x + 1u];
    here.frame = in.numbers.y;
    here.cycles = in.course.z;
    return here;
}

fn own_parameter(in: Varying, place: u32) -> f32 {
    return own_numbers[in.numbers.x + 2u + place];
}

// -1..=1; what is no number is 0. Whole numbers are compared, because a compiler may take it that there is no such float.
fn own_value(found: f32) -> f32 {
    let is_number = (bitcast<u32>(found) & 0x7f800000u) != 0x7f800000u;
    return select(0.0, clamp(found, -1.0, 1.0), is_number);
}
