// The photosensitivity governor: judges the candidate frame in whole numbers, decides, keeps what may be shown, and shows
// it. Twin: stimulus::safety::Governor, equal to the bit; what everything means is said there and in
// docs/photosensitivity.md. No result leaves the GPU before the frame is presented.
//
// Order of the passes: judged_scales, measure, stripes, judge, running_sums, fields, decide, commit, shown_scales
// (compute); governor (fragment). judge and commit are in flashes.wgsl, stripes in stripes.wgsl.

struct Params {
    width: u32,
    height: u32,
    levels: u32,
    cell_px: u32,
    columns: u32,
    rows: u32,
    cells: u32,
    bin_columns: u32,
    bin_rows: u32,
    bins_x: u32,
    bins_y: u32,
    reach: u32,
    window: u32,
    ring: u32,
    // first words of a cell's detectors
    general: u32,
    luminance: u32,
    red: u32,
    luminance_sequence: u32,
    red_sequence: u32,
    allowed: u32,
    half_cycle: u32,
    extended: u32,
    wcag_change: u32,
    wcag_darker: u32,
    bt_change: u32,
    bt_darker: u32,
    bt_bright: u32,
    red_distance_squared: u32,
    x4_red: u32,
    x4_green: u32,
    x4_blue: u32,
    y9_red: u32,
    y9_green: u32,
    y9_blue: u32,
    sum_red: u32,
    sum_green: u32,
    sum_blue: u32,
    white: u32,
    grey: u32,
    grey_luminance: u32,
    grey_chromaticity: u32,
    wcag_area: u32,
    total_px: u32,
    shortest_period: u32,
    pattern_frames: u32,
    ramp_step: u32,
    mode: u32,
    enforced: u32,
}

struct Request {
    // since the frame before
    refreshes: u32,
    release: u32,
    // where the image begins on the surface
    origin_px: vec2<i32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> request: Request;
// luminance tables, linear tables, solid angles of cells, classes of bins, chords of classes
@group(0) @binding(2) var<storage, read> constants: array<u32>;
// word n of a cell at n * cells + cell; behind them the luminance of each pixel of the judged frame
@group(0) @binding(3) var<storage, read_write> state: array<u32>;
// what lasts, the verdict, the sums of a frame
@group(0) @binding(4) var<storage, read_write> sums: array<atomic<u32>>;
// packed pixels, two frames of them: the last candidate that was shown, and the one that is judged
@group(0) @binding(5) var<storage, read_write> held: array<u32>;
@group(0) @binding(6) var candidate: texture_2d<f32>;
// the same two for the last pass, which only reads
@group(0) @binding(7) var<storage, read> shown: array<u32>;
@group(0) @binding(8) var<storage, read> decided: array<u32>;

const FULL: u32 = 65535u;
const GREY: i32 = 32768;
const DARK: u32 = 256u;
const SATURATED: u32 = 0x80000000u;

// What lasts from frame to frame.
const FRAME: u32 = 0u;
const NOW: u32 = 1u;
const GAIN: u32 = 2u;
const ATTENUATION: u32 = 3u;
const CLOSED: u32 = 4u;
const PATTERN_SINCE: u32 = 5u;
const PATTERN_LAST: u32 = 6u;
const PATTERN_SHOWN: u32 = 7u;
// Which of the two frames of pixels is the one that was shown.
const HALF: u32 = 8u;
// Of this frame: what is taken (0 the judged frame, 1 the one before, 2 grey).
const TAKEN: u32 = 9u;

const VERDICT: u32 = 16u;

const AREAS: u32 = 36u;
const GENERAL_AREA: u32 = 36u;
const RED_AREA: u32 = 37u;
const LUMINANCE_PX: u32 = 38u;
const RED_PX: u32 = 39u;
const EXTENDED_PX: u32 = 40u;
const PATTERN_PX: u32 = 41u;
const ACTIVE_PX: u32 = 42u;
const NEAR_GENERAL: u32 = 43u;
const NEAR_RED: u32 = 44u;
const NEAR_PX: u32 = 45u;
const MOST_GENERAL: u32 = 46u;
const MOST_LUMINANCE: u32 = 47u;
const MOST_RED: u32 = 48u;
const AREA_WORDS: u32 = 13u;
// Solid angle of all flashing cells, wherever they are.
const GENERAL_ALL: u32 = 49u;
const RED_ALL: u32 = 50u;
// A word for each cell: whether it lies in stripes, and whether the frame would change its history.
const MARKED: u32 = 64u;
const STRIPED: u32 = 1u;
const BUSY: u32 = 2u;

fn bins() -> u32 {
    return params.bins_x * params.bins_y;
}

fn in_bins(kind: u32) -> u32 {
    return MARKED + params.cells + kind * bins();
}

fn running(kind: u32) -> u32 {
    return MARKED + params.cells + 2u * bins() + kind * (params.bins_x + 1u) * params.bins_y;
}

// What becomes of code values: tables for the frame that is judged (0) and for what is shown (1).
fn scales(kind: u32) -> u32 {
    return running(2u) + kind * 3u * params.levels;
}

fn pixels_of(half: u32) -> u32 {
    return half * params.total_px;
}

fn part(yes: bool, value: u32) -> u32 {
    return select(0u, value, yes);
}

// Light.

fn unpack_codes(pixel: u32) -> vec3<u32> {
    return vec3<u32>(pixel & 1023u, (pixel >> 10u) & 1023u, (pixel >> 20u) & 1023u);
}

fn pack_codes(codes: vec3<u32>) -> u32 {
    return codes.x | (codes.y << 10u) | (codes.z << 20u);
}

fn light_of(pixel: u32) -> u32 {
    let codes = unpack_codes(pixel);
    let levels = params.levels;
    return constants[codes.x] + constants[levels + codes.y] + constants[2u * levels + codes.z];
}

fn linear_of(pixel: u32) -> vec3<u32> {
    let codes = unpack_codes(pixel);
    let levels = params.levels;
    return vec3<u32>(constants[3u * levels + codes.x], constants[4u * levels + codes.y],
        constants[5u * levels + codes.z]);
}

// The numerator over the denominator in units of 2^-14, rounded down; both are below 2^31. The estimate is right or one too low,
// because no driver's division is wrong by a quarter of a unit below 1; what it leaves says which.
fn fraction(numerator: u32, denominator: u32) -> u32 {
    let estimate = f32(numerator) / f32(denominator) * 16384.0 - 0.25;
    let quotient = u32(clamp(estimate, 0.0, 16384.0));
    let rest = (numerator << 14u) - quotient * denominator;
    return min(quotient + part(rest >= denominator, 1u), 16383u);
}

fn chromaticity_of(linear: vec3<u32>) -> u32 {
    if linear.x + linear.y + linear.z < DARK {
        return params.white;
    }
    let x4 = params.x4_red * linear.x + params.x4_green * linear.y + params.x4_blue * linear.z;
    let y9 = params.y9_red * linear.x + params.y9_green * linear.y + params.y9_blue * linear.z;
    let sum = max(params.sum_red * linear.x + params.sum_green * linear.y + params.sum_blue * linear.z, 1u);
    let uv = fraction(x4, sum) | (fraction(y9, sum) << 16u);
    return select(uv, uv | SATURATED, linear.x + 4u >= 4u * (linear.y + linear.z));
}

fn nearest(channel: u32, wanted: u32) -> u32 {
    let table = (3u + channel) * params.levels;
    var below = 0u;
    var above = params.levels - 1u;
    while above - below > 1u {
        let middle = (below + above) / 2u;
        if constants[table + middle] <= wanted {
            below = middle;
        } else {
            above = middle;
        }
    }
    let lower = constants[table + below];
    let upper = constants[table + above];
    let to_upper = max(upper, wanted) - min(upper, wanted);
    let to_lower = max(lower, wanted) - min(lower, wanted);
    return select(below, above, to_upper < to_lower);
}

fn is_closed() -> bool {
    return atomicLoad(&sums[CLOSED]) == 1u && request.release == 0u;
}

fn attenuation() -> u32 {
    return select(atomicLoad(&sums[ATTENUATION]), FULL, request.release == 1u);
}

fn ramp() -> u32 {
    let gain = atomicLoad(&sums[GAIN]);
    return gain - min(gain, params.ramp_step);
}

fn scale(number: u32, gain: u32, table: u32) {
    let channel = number / params.levels;
    let code = number % params.levels;
    if channel >= 3u {
        return;
    }
    var becomes = code;
    if gain != FULL {
        let away = i32(constants[3u * params.levels + number]) - GREY;
        becomes = nearest(channel, u32(GREY + away * i32(gain) / i32(FULL)));
    }
    atomicStore(&sums[table + number], becomes);
}

@compute @workgroup_size(64)
fn judged_scales(@builtin(global_invocation_id) id: vec3<u32>) {
    scale(id.x, select(attenuation(), ramp(), is_closed()), scales(0u));
}

@compute @workgroup_size(64)
fn shown_scales(@builtin(global_invocation_id) id: vec3<u32>) {
    scale(id.x, atomicLoad(&sums[GAIN]), scales(1u));
}

fn first_light() -> u32 {
    return params.cells * (params.red_sequence + SEQUENCE_WORDS + (params.ring + 31u) / 32u);
}

// Measure: mean light of each cell.

@compute @workgroup_size(64)
fn measure(@builtin(global_invocation_id) id: vec3<u32>) {
    let cell = id.x;
    if cell >= params.cells {
        return;
    }
    let start = vec2<u32>(cell % params.columns, cell / params.columns) * params.cell_px;
    let end = min(start + params.cell_px, vec2<u32>(params.width, params.height));
    // The frame that is judged is the candidate, or the next one of the ramp.
    let closed = is_closed();
    let whole = !closed && attenuation() == FULL;
    let half = atomicLoad(&sums[HALF]);
    let table = vec3<u32>(0u, 1u, 2u) * params.levels + scales(0u);
    let light = first_light();
    var luminance = 0u;
    var linear = vec3<u32>(0u);
    for (var y = start.y; y < end.y; y++) {
        for (var x = start.x; x < end.x; x++) {
            let index = y * params.width + x;
            var codes = vec3<u32>(0u);
            if closed {
                codes = unpack_codes(held[pixels_of(half) + index]);
            } else {
                let texel = textureLoad(candidate, vec2<u32>(x, y), 0).rgb;
                codes = vec3<u32>(round(texel * f32(params.levels - 1u)));
            }
            if !whole {
                codes = vec3<u32>(atomicLoad(&sums[table.x + codes.x]), atomicLoad(&sums[table.y + codes.y]),
                    atomicLoad(&sums[table.z + codes.z]));
            }
            let pixel = pack_codes(codes);
            let bright = light_of(pixel);
            held[pixels_of(1u - half) + index] = pixel;
            state[light + index] = bright;
            luminance += bright;
            linear += linear_of(pixel);
        }
    }
    let pixels = (end.x - start.x) * (end.y - start.y);
    state[cell] = luminance / pixels;
    state[params.cells + cell] = chromaticity_of(linear / pixels);
}

// The largest flashing area within a field, for general (0) and red flash (1). Needed only where all of it is too large.

fn needs_fields(kind: u32) -> bool {
    return atomicLoad(&sums[GENERAL_ALL + kind]) > params.wcag_area;
}

@compute @workgroup_size(64)
fn running_sums(@builtin(global_invocation_id) id: vec3<u32>) {
    let kind = id.x / params.bins_y;
    let row = id.x % params.bins_y;
    if kind >= 2u || !needs_fields(kind) {
        return;
    }
    let first = in_bins(kind) + row * params.bins_x;
    let to = running(kind) + row * (params.bins_x + 1u);
    var sum = 0u;
    atomicStore(&sums[to], 0u);
    for (var column = 0u; column < params.bins_x; column++) {
        sum += atomicLoad(&sums[first + column]);
        atomicStore(&sums[to + column + 1u], sum);
    }
}

fn chord(kind: u32, row: u32, first: u32, to: u32) -> u32 {
    let line = running(kind) + row * (params.bins_x + 1u);
    return atomicLoad(&sums[line + to]) - atomicLoad(&sums[line + first]);
}

@compute @workgroup_size(64)
fn fields(@builtin(global_invocation_id) id: vec3<u32>) {
    let kind = id.x / bins();
    let centre = id.x % bins();
    if kind >= 2u || !needs_fields(kind) {
        return;
    }
    let column = centre % params.bins_x;
    let row = centre / params.bins_x;
    let classes = 6u * params.levels + params.cells;
    let chords = classes + bins() + constants[classes + centre] * params.reach;
    var sum = 0u;
    for (var offset = 0u; offset < params.reach; offset++) {
        let stored = constants[chords + offset];
        if stored == 0u {
            break;
        }
        let half = stored - 1u;
        let first = column - min(column, half);
        let to = min(column + half + 1u, params.bins_x);
        if row >= offset {
            sum += chord(kind, row - offset, first, to);
        }
        if offset > 0u && row + offset < params.bins_y {
            sum += chord(kind, row + offset, first, to);
        }
    }
    atomicMax(&sums[GENERAL_AREA + kind], sum);
}

// Decide: one thread.

const CANDIDATE: u32 = 0u;
const RAMP: u32 = 1u;
const HELD: u32 = 2u;
const GREY_NOW: u32 = 3u;

fn area(word: u32) -> u32 {
    return atomicLoad(&sums[word]);
}

fn quarter(pixels: u32) -> bool {
    return 4u * pixels > params.total_px;
}

fn is_pattern() -> bool {
    let standing = 5u * area(PATTERN_PX) > 2u * params.total_px;
    let moving = quarter(area(PATTERN_PX)) && 8u * area(ACTIVE_PX) > area(PATTERN_PX);
    return standing || moving;
}

fn lasts(now: u32, since: u32) -> bool {
    return now - since + 1u >= params.pattern_frames;
}

fn flags_of(pattern: bool, pattern_lasts: bool) -> u32 {
    let near = quarter(area(NEAR_PX)) || area(NEAR_GENERAL) > params.wcag_area || area(NEAR_RED) > params.wcag_area;
    return part(area(GENERAL_AREA) > params.wcag_area, 1u)
        | part(area(RED_AREA) > params.wcag_area, 2u)
        | part(quarter(area(LUMINANCE_PX)), 4u)
        | part(quarter(area(RED_PX)), 8u)
        | part(quarter(area(EXTENDED_PX)), 16u)
        | part(pattern_lasts, 32u)
        | part(pattern && near, 64u);
}

@compute @workgroup_size(1)
fn decide() {
    for (var kind = 0u; kind < 2u; kind++) {
        if !needs_fields(kind) {
            atomicStore(&sums[GENERAL_AREA + kind], area(GENERAL_ALL + kind));
        }
    }
    let frame = area(FRAME);
    let now = area(NOW) + max(request.refreshes, 1u) - 1u;
    let closed = is_closed();
    let attenuated = attenuation();
    let ramped = ramp();
    let was_shown = area(PATTERN_SHOWN) == 1u;
    let pattern = is_pattern();
    let alive = now - area(PATTERN_LAST) <= params.pattern_frames;
    let since = select(now, area(PATTERN_SINCE), alive);
    let flags = flags_of(pattern, pattern && lasts(now, since));
    let breach = (flags & params.enforced) != 0u;
    let must_go = was_shown && (params.enforced & 32u) != 0u && lasts(now, area(PATTERN_SINCE));

    var show = select(CANDIDATE, RAMP, closed);
    var taken = 0u;
    if breach {
        show = select(HELD, GREY_NOW, must_go);
        taken = select(1u, 2u, must_go);
    }
    var gain = area(GAIN);
    if show == CANDIDATE {
        gain = FULL;
    } else if show == RAMP {
        gain = ramped;
    } else if show == GREY_NOW {
        gain = 0u;
    }
    let attenuates = params.mode == 1u;
    // Once for each time that it has to stop: what was taken of the frame before says whether it was.
    let again = area(TAKEN) != 0u && request.release == 0u;
    let lower = attenuated - (attenuated + 3u) / 4u;
    let closes = closed || (breach && !attenuates);
    var pattern_shown = pattern;
    if taken == 1u {
        pattern_shown = was_shown;
    } else if taken == 2u {
        pattern_shown = false;
    }
    if pattern_shown {
        atomicStore(&sums[PATTERN_LAST], now);
        if taken == 0u {
            atomicStore(&sums[PATTERN_SINCE], since);
        }
    }
    atomicStore(&sums[FRAME], frame + 1u);
    atomicStore(&sums[NOW], now + 1u);
    atomicStore(&sums[GAIN], gain);
    atomicStore(&sums[ATTENUATION], select(attenuated, lower, breach && attenuates && !again));
    atomicStore(&sums[CLOSED], part(closes, 1u));
    atomicStore(&sums[PATTERN_SHOWN], part(pattern_shown, 1u));
    atomicStore(&sums[TAKEN], taken);
    if show == CANDIDATE {
        atomicStore(&sums[HALF], 1u - area(HALF));
    }

    atomicStore(&sums[VERDICT], frame - params.ring);
    atomicStore(&sums[VERDICT + 1u], show);
    atomicStore(&sums[VERDICT + 2u], flags);
    atomicStore(&sums[VERDICT + 3u], gain);
    atomicStore(&sums[VERDICT + 4u], attenuated);
    atomicStore(&sums[VERDICT + 5u], part(closes, 1u));
    for (var word = 0u; word < AREA_WORDS; word++) {
        atomicStore(&sums[VERDICT + 6u + word], area(AREAS + word));
    }
}

// Show: what is held, mixed towards grey; grey around it on a surface that is larger.

@fragment
fn governor(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let pixel = vec2<i32>(floor(position.xy)) - request.origin_px;
    var codes = unpack_codes(params.grey);
    if inside(pixel) {
        codes = unpack_codes(shown[pixels_of(decided[HALF]) + u32(pixel.y) * params.width + u32(pixel.x)]);
        if decided[GAIN] != FULL {
            let table = vec3<u32>(0u, 1u, 2u) * params.levels + scales(1u);
            codes = vec3<u32>(decided[table.x + codes.x], decided[table.y + codes.y], decided[table.z + codes.z]);
        }
    }
    return vec4<f32>(vec3<f32>(codes) / f32(params.levels - 1u), 1.0);
}
