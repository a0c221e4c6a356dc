// The photosensitivity governor: judges the candidate frame in whole numbers, decides, keeps what may be shown, and shows
// it. Twin: stimulus::safety::Governor, equal to the bit; what everything means is said there and in
// docs/photosensitivity.md. No result leaves the GPU before the frame is presented.
//
// Order of the passes: judged_scales, measure, stripes, judge, running_sums, fields, decide, commit, shown_scales
// (compute); governor (fragment).

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

// Changes.

fn wcag_exceeds(dark: u32, bright: u32) -> bool {
    return dark < params.wcag_darker && bright - dark >= params.wcag_change;
}

fn bt_exceeds(dark: u32, bright: u32) -> bool {
    if dark < params.bt_darker {
        return bright - dark >= params.bt_change;
    }
    return params.bt_bright == 1u && 8u * bright > 9u * dark;
}

const UP: u32 = 1u;
const DOWN: u32 = 2u;
const NOTHING: u32 = 0u;
const TURNED: u32 = 1u;
const CONTINUED: u32 = 2u;

// What a value does to a detector: direction of its last change and when that was (only where a bound is exceeded), the event, and
// whether the range of its states becomes another.
struct Turn {
    direction: u32,
    stamp: u32,
    event: u32,
    wider: bool,
}

struct Light {
    low: u32,
    high: u32,
    turn: Turn,
}

struct Red {
    all: vec2<u32>,
    reds: vec2<u32>,
    turn: Turn,
}

const EMPTY: vec2<u32> = vec2<u32>(0xffffffffu, 0u);

fn wider(range: vec2<u32>, uv: u32) -> vec2<u32> {
    let u = uv & 0xffffu;
    let v = uv >> 16u;
    let low = min(range.x & 0xffffu, u) | (min(range.x >> 16u, v) << 16u);
    let high = max(range.y & 0xffffu, u) | (max(range.y >> 16u, v) << 16u);
    return vec2<u32>(low, high);
}

fn far(range: vec2<u32>, uv: u32) -> bool {
    let at = vec2<i32>(i32(uv & 0xffffu), i32(uv >> 16u));
    let low = vec2<i32>(i32(range.x & 0xffffu), i32(range.x >> 16u));
    let high = vec2<i32>(i32(range.y & 0xffffu), i32(range.y >> 16u));
    let most = max(abs(at - low), abs(at - high));
    return u32(most.x * most.x + most.y * most.y) >= params.red_distance_squared;
}

// A track: direction, date of the last change, changes within the second, and a mark for each of its frames.

const TURN: u32 = 0u;
const STAMP: u32 = 1u;
const IN_1S: u32 = 2u;
const TRACK_WORDS: u32 = 3u;
// A sequence: date of the latest change, changes in the ring, marks.
const LATEST: u32 = 0u;
const IN_RING: u32 = 1u;
const SEQUENCE_WORDS: u32 = 2u;

fn at(word: u32, cell: u32) -> u32 {
    return word * params.cells + cell;
}

fn bit(frame: u32, frames: u32) -> u32 {
    return 1u << (frame % frames % 32u);
}

// The word that holds the mark of a frame.
fn word_of(first: u32, frames: u32, cell: u32, frame: u32) -> u32 {
    return at(first + frame % frames / 32u, cell);
}

fn ones(first: u32, frames: u32, cell: u32, frame: u32, count: u32) -> u32 {
    var slot = frame % frames;
    var left = count;
    var found = 0u;
    while left > 0u {
        let take = min(left, min(32u - slot % 32u, frames - slot));
        let mask = (0xffffffffu >> (32u - take)) << (slot % 32u);
        found += countOneBits(state[at(first + slot / 32u, cell)] & mask);
        left -= take;
        slot += take;
        if slot == frames {
            slot = 0u;
        }
    }
    return found;
}

// The event of a value that exceeds the bound upwards, downwards, or neither.
fn turn_of(track: u32, cell: u32, frame: u32, up: bool, down: bool, wider: bool) -> Turn {
    if !up && !down {
        return Turn(0u, 0u, NOTHING, wider);
    }
    let direction = state[at(track + TURN, cell)];
    let stamp = state[at(track + STAMP, cell)];
    if up && direction != UP {
        return Turn(UP, stamp, TURNED, true);
    }
    if down && direction != DOWN {
        return Turn(DOWN, stamp, TURNED, true);
    }
    if frame - stamp >= params.half_cycle {
        return Turn(direction, stamp, CONTINUED, true);
    }
    return Turn(direction, stamp, NOTHING, wider);
}

fn leaves(first: u32, frames: u32, cell: u32, frame: u32) -> bool {
    return (state[word_of(first, frames, cell, frame)] & bit(frame, frames)) != 0u;
}

// The count of changes that the frame would leave, and whether one leaves the second.
fn outlook(track: u32, cell: u32, frame: u32, turn: Turn) -> vec2<u32> {
    var count = state[at(track + IN_1S, cell)];
    var left = 0u;
    if count > 0u && leaves(track + TRACK_WORDS, params.window, cell, frame) {
        left = 1u;
    }
    return vec2<u32>(count - left + counts(turn, frame), left);
}

// Once more only where the old date is forgotten.
fn counts(turn: Turn, frame: u32) -> u32 {
    return part(turn.event == TURNED || (turn.event == CONTINUED && frame - turn.stamp >= params.window), 1u);
}

fn commit_track(track: u32, cell: u32, frame: u32, turn: Turn) {
    let marks = track + TRACK_WORDS;
    let word = word_of(marks, params.window, cell, frame);
    let here = bit(frame, params.window);
    let before = state[word];
    var after = before & ~here;
    if turn.event == CONTINUED && frame - turn.stamp < params.window {
        let old = word_of(marks, params.window, cell, turn.stamp);
        if old == word {
            after &= ~bit(turn.stamp, params.window);
        } else {
            state[old] &= ~bit(turn.stamp, params.window);
        }
    }
    if turn.event != NOTHING {
        after |= here;
        state[at(track + STAMP, cell)] = frame;
        state[at(track + TURN, cell)] = turn.direction;
    }
    state[word] = after;
    let in_1s = state[at(track + IN_1S, cell)] - part((before & here) != 0u, 1u);
    state[at(track + IN_1S, cell)] = in_1s + counts(turn, frame);
}

fn quarter_second() -> u32 {
    return max(params.window / 4u, 1u);
}

const EXTENDED_S: u32 = 5u;

// Bit 0: one of the cell's sequences would be extended with this frame's changes; bit 1: with one more; bit 2: a mark leaves one
// of them. One loop for all four, because a processor without branches runs every one that stands here.
fn extended(cell: u32, frame: u32, newest: vec2<u32>) -> u32 {
    let sequences = vec2<u32>(params.luminance_sequence, params.red_sequence);
    let changes = newest + vec2<u32>(state[at(sequences.x + IN_RING, cell)], state[at(sequences.y + IN_RING, cell)]);
    var todo = part(changes.x >= EXTENDED_S * params.extended, 3u) | part(changes.y >= EXTENDED_S * params.extended, 12u);
    var found = 0u;
    if (changes.x > newest.x && leaves(sequences.x + SEQUENCE_WORDS, params.ring, cell, frame))
        || (changes.y > newest.y && leaves(sequences.y + SEQUENCE_WORDS, params.ring, cell, frame)) {
        found = 4u;
    }
    while todo != 0u {
        let place = firstTrailingBit(todo);
        todo &= todo - 1u;
        let is_red = place >= 2u;
        let more = place & 1u;
        let sequence = select(sequences.x, sequences.y, is_red);
        let in_ring = select(changes.x, changes.y, is_red) + more;
        if is_extended(sequence, cell, frame, in_ring, select(newest.x, newest.y, is_red) + more) {
            found |= 1u << more;
        }
    }
    return found;
}

fn is_extended(sequence: u32, cell: u32, frame: u32, in_ring: u32, newest: u32) -> bool {
    let latest = select(state[at(sequence + LATEST, cell)], frame, newest > 0u);
    if in_ring <= EXTENDED_S * params.extended || frame - latest >= quarter_second() {
        return false;
    }
    var all_changes = 0u;
    // Five seconds, from the latest back, and the first quarter of the first.
    for (var second = 0u; second <= EXTENDED_S; second++) {
        let is_quarter = second == EXTENDED_S;
        let adds = select(0u, newest, second == 0u);
        let first = latest - min(second + 1u, EXTENDED_S) * params.window + 1u;
        let frames = select(params.window - part(adds > 0u, 1u), quarter_second(), is_quarter);
        let changes = ones(sequence + SEQUENCE_WORDS, params.ring, cell, first, frames) + adds;
        if changes < select(params.extended, 1u, is_quarter) {
            return false;
        }
        all_changes += part(!is_quarter, changes);
    }
    return all_changes > EXTENDED_S * params.extended;
}

fn commit_sequence(sequence: u32, cell: u32, frame: u32, event: u32) {
    let turned = event == TURNED;
    let word = word_of(sequence + SEQUENCE_WORDS, params.ring, cell, frame);
    let here = bit(frame, params.ring);
    let before = state[word];
    state[word] = select(before & ~here, before | here, turned);
    let in_ring = state[at(sequence + IN_RING, cell)] - part((before & here) != 0u, 1u);
    state[at(sequence + IN_RING, cell)] = in_ring + part(turned, 1u);
    if turned {
        state[at(sequence + LATEST, cell)] = frame;
    }
}

fn general_track() -> u32 {
    return params.general + 2u;
}

fn luminance_track() -> u32 {
    return params.luminance + 2u;
}

fn red_track() -> u32 {
    return params.red + 4u;
}

fn look_light(memory: u32, cell: u32, frame: u32, value: u32, is_wcag: bool) -> Light {
    let before = vec2<u32>(state[at(memory, cell)], state[at(memory + 1u, cell)]);
    let low = min(before.x, value);
    let high = max(before.y, value);
    var rises = bt_exceeds(low, value);
    var falls = bt_exceeds(value, high);
    if is_wcag {
        rises = wcag_exceeds(low, value);
        falls = wcag_exceeds(value, high);
    }
    let turn = turn_of(memory + 2u, cell, frame, rises, falls, low != before.x || high != before.y);
    if turn.event == TURNED {
        return Light(value, value, turn);
    }
    // What goes on begins anew at its own end of the range.
    let goes_on = turn.event == CONTINUED;
    return Light(select(low, value, goes_on && rises), select(high, value, goes_on && !rises), turn);
}

fn look_red(cell: u32, frame: u32, value: u32) -> Red {
    let memory = params.red;
    let all_before = vec2<u32>(state[at(memory, cell)], state[at(memory + 1u, cell)]);
    let reds_before = vec2<u32>(state[at(memory + 2u, cell)], state[at(memory + 3u, cell)]);
    let saturated = (value & SATURATED) != 0u;
    let uv = value & ~SATURATED;
    let here = vec2<u32>(uv);
    let red_here = select(EMPTY, here, saturated);
    let into = saturated && far(all_before, uv);
    let out = any(reds_before != EMPTY) && far(reds_before, uv);
    let all_wider = wider(all_before, uv);
    let red_wider = select(reds_before, wider(reds_before, uv), saturated);
    let is_wider = any(all_wider != all_before) || any(red_wider != reds_before);
    let turn = turn_of(red_track(), cell, frame, into, out, is_wider);
    if turn.event == TURNED {
        return Red(here, red_here, turn);
    }
    let goes_on = turn.event == CONTINUED;
    return Red(select(all_wider, here, goes_on && into), select(red_wider, red_here, goes_on && !into), turn);
}

// Stripes: one thread for each line through the image.

struct Line {
    start: vec2<i32>,
    step: vec2<i32>,
}

fn line_of(number: u32) -> Line {
    let columns = i32(params.columns);
    let rows = i32(params.rows);
    let cell = i32(params.cell_px);
    let middle = cell / 2;
    var index = i32(number);
    if index < rows {
        return Line(vec2<i32>(0, min(index * cell + middle, i32(params.height) - 1)), vec2<i32>(1, 0));
    }
    index -= rows;
    if index < columns {
        return Line(vec2<i32>(min(index * cell + middle, i32(params.width) - 1), 0), vec2<i32>(0, 1));
    }
    index -= columns;
    let diagonals = rows + columns - 1;
    let falling = index < diagonals;
    if !falling {
        index -= diagonals;
    }
    var start = vec2<i32>((index - rows + 1) * cell, 0);
    if index < rows {
        start = vec2<i32>(0, (rows - 1 - index) * cell);
    }
    if falling {
        return Line(start, vec2<i32>(1, 1));
    }
    return Line(vec2<i32>(start.x, i32(params.height) - 1 - start.y), vec2<i32>(1, -1));
}

struct Chain {
    start: u32,
    changes: u32,
    last: u32,
    before: u32,
    period: u32,
}

const STRIPE_CHANGES: u32 = 11u;

fn inside(pixel: vec2<i32>) -> bool {
    return all(pixel >= vec2<i32>(0)) && all(pixel < vec2<i32>(i32(params.width), i32(params.height)));
}

fn mark_chain(line: Line, chain: Chain) {
    if chain.changes < STRIPE_CHANGES {
        return;
    }
    let half = chain.period / 2u;
    let to = chain.last + half;
    for (var step = chain.start - min(chain.start, half); step <= to; step++) {
        let pixel = line.start + line.step * i32(step);
        if !inside(pixel) {
            return;
        }
        let cell = u32(pixel.y) / params.cell_px * params.columns + u32(pixel.x) / params.cell_px;
        atomicStore(&sums[MARKED + cell], STRIPED);
    }
}

// Pixels of a line.
fn length_of(line: Line) -> u32 {
    let size = vec2<i32>(i32(params.width), i32(params.height));
    let right = size.x - line.start.x;
    let down = size.y - line.start.y;
    if line.step.y == 0 {
        return u32(right);
    }
    if line.step.x == 0 {
        return u32(down);
    }
    return u32(min(right, select(line.start.y + 1, down, line.step.y > 0)));
}

const AT_ONCE: u32 = 8u;

@compute @workgroup_size(64)
fn stripes(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= 3u * (params.rows + params.columns) - 2u {
        return;
    }
    let line = line_of(id.x);
    if !inside(line.start) {
        return;
    }
    // Pixels are looked at in small groups first, whose light is fetched at once. Bounds grow with the darker state, so that nothing
    // turns within a group whose extremes would not.
    let length = length_of(line);
    let stride = u32(line.step.y * i32(params.width) + line.step.x);
    var place = first_light() + u32(line.start.y) * params.width + u32(line.start.x);
    // The extremes since the last turn, and its direction.
    var low = state[place];
    var high = low;
    var turn = 0u;
    var chain = Chain(0u, 0u, 0u, 0u, 0u);
    var step = 0u;
    while step < length {
        let to = min(step + AT_ONCE, length);
        var least = 0xffffffffu;
        var most = 0u;
        var ahead = place;
        for (var next = step; next < to; next++) {
            let value = state[ahead];
            ahead += stride;
            least = min(least, value);
            most = max(most, value);
        }
        let turns = (turn != UP && bt_exceeds(min(low, least), most))
            || (turn != DOWN && bt_exceeds(least, max(high, most)));
        if !turns {
            low = min(low, least);
            high = max(high, most);
            step = to;
        }
        while step < to {
            let value = state[place];
            place += stride;
            low = min(low, value);
            high = max(high, value);
            let rises = turn != UP && bt_exceeds(low, value);
            if rises || (turn != DOWN && bt_exceeds(value, high)) {
                turn = select(DOWN, UP, rises);
                low = value;
                high = value;
                let last = chain.last;
                let before = chain.before;
                if chain.changes < 2u {
                    if chain.changes == 0u {
                        chain.start = step;
                    }
                    chain.changes += 1u;
                } else {
                    let period = step - before;
                    let even = chain.period == 0u
                        || (4u * period <= 5u * chain.period + 4u && 4u * chain.period <= 5u * period + 4u);
                    if even && period >= params.shortest_period {
                        chain.changes += 1u;
                        chain.period = period;
                    } else {
                        mark_chain(line, chain);
                        if period >= params.shortest_period {
                            chain = Chain(before, 3u, last, before, period);
                        } else {
                            chain = Chain(last, 2u, last, before, 0u);
                        }
                    }
                }
                chain.before = last;
                chain.last = step;
            }
            step += 1u;
        }
        place = ahead;
    }
    mark_chain(line, chain);
}

// Judge: every cell against its history. A thread takes several cells and adds up by itself first: everybody waits for a sum
// that everybody adds to.

fn add(word: u32, value: u32) {
    if value > 0u {
        atomicAdd(&sums[word], value);
    }
}

fn most(word: u32, value: u32) {
    if value > 0u {
        atomicMax(&sums[word], value);
    }
}

@compute @workgroup_size(64)
fn judge(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let frame = atomicLoad(&sums[FRAME]);
    // Solid angles: general flash, red, and both for cells that are near; px: luminance, red, extended, near; px of stripes, and
    // of those that flash; the most changes.
    var angles = vec4<u32>(0u);
    var flashing = vec4<u32>(0u);
    var striped = vec2<u32>(0u);
    var highest = vec3<u32>(0u);
    for (var cell = id.x; cell < params.cells; cell += 64u * groups.x) {
        let luminance = state[cell];
        let general = look_light(params.general, cell, frame, luminance, true);
        let light = look_light(params.luminance, cell, frame, luminance, false);
        let red = look_red(cell, frame, state[params.cells + cell]);
        let general_count = outlook(general_track(), cell, frame, general.turn);
        let light_count = outlook(luminance_track(), cell, frame, light.turn);
        let red_count = outlook(red_track(), cell, frame, red.turn);
        let in_1s = vec3<u32>(general_count.x, light_count.x, red_count.x);
        let newest = vec2<u32>(part(light.turn.event == TURNED, 1u), part(red.turn.event == TURNED, 1u));
        let lasting = extended(cell, frame, newest);
        let over = in_1s > vec3<u32>(params.allowed);
        let near = in_1s + 1u > vec3<u32>(params.allowed);

        let column = cell % params.columns;
        let row = cell / params.columns;
        let pixels = min(params.cell_px, params.width - column * params.cell_px)
            * min(params.cell_px, params.height - row * params.cell_px);
        let angle = constants[6u * params.levels + cell];
        let bin = row / params.bin_rows * params.bins_x + column / params.bin_columns;
        let marked = atomicLoad(&sums[MARKED + cell]) == STRIPED;
        let left = general_count.y + light_count.y + red_count.y + (lasting & 4u);
        if general.turn.wider || light.turn.wider || red.turn.wider || left > 0u {
            atomicStore(&sums[MARKED + cell], part(marked, STRIPED) | BUSY);
        }
        add(in_bins(0u) + bin, part(over.x, angle));
        add(in_bins(1u) + bin, part(over.z, angle));
        angles += select(vec4<u32>(0u), vec4<u32>(angle), vec4<bool>(over.x, over.z, near.x, near.z));
        let is_near = near.y || near.z || (lasting & 2u) != 0u;
        flashing += select(vec4<u32>(0u), vec4<u32>(pixels), vec4<bool>(over.y, over.z, (lasting & 1u) != 0u, is_near));
        striped += select(vec2<u32>(0u), vec2<u32>(pixels), vec2<bool>(marked, marked && in_1s.y >= 2u));
        highest = max(highest, in_1s);
    }
    add(GENERAL_ALL, angles.x);
    add(RED_ALL, angles.y);
    add(NEAR_GENERAL, angles.z);
    add(NEAR_RED, angles.w);
    add(LUMINANCE_PX, flashing.x);
    add(RED_PX, flashing.y);
    add(EXTENDED_PX, flashing.z);
    add(NEAR_PX, flashing.w);
    add(PATTERN_PX, striped.x);
    add(ACTIVE_PX, striped.y);
    most(MOST_GENERAL, highest.x);
    most(MOST_LUMINANCE, highest.y);
    most(MOST_RED, highest.z);
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

// Commit: what is shown enters the history. Only cells in which it, or what leaves a second, changes anything.

@compute @workgroup_size(64)
fn commit(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let frame = atomicLoad(&sums[FRAME]) - 1u;
    let taken = atomicLoad(&sums[TAKEN]);
    let stride = 64u * groups.x;
    var busy = 0u;
    var place = 1u;
    for (var cell = id.x; cell < params.cells; cell += stride) {
        busy |= part(taken == 2u || (atomicLoad(&sums[MARKED + cell]) & BUSY) != 0u, place);
        place = place << 1u;
    }
    while busy != 0u {
        let cell = id.x + firstTrailingBit(busy) * stride;
        busy &= busy - 1u;
        commit_cell(cell, frame, taken);
    }
}

fn commit_cell(cell: u32, frame: u32, taken: u32) {
    var luminance = state[cell];
    var chromaticity = state[params.cells + cell];
    if taken == 2u {
        luminance = params.grey_luminance;
        chromaticity = params.grey_chromaticity;
    }
    let nothing = Turn(0u, 0u, NOTHING, false);
    var general = Light(0u, 0u, nothing);
    var light = general;
    var red = Red(EMPTY, EMPTY, nothing);
    if taken != 1u {
        general = look_light(params.general, cell, frame, luminance, true);
        light = look_light(params.luminance, cell, frame, luminance, false);
        red = look_red(cell, frame, chromaticity);
        state[at(params.general, cell)] = general.low;
        state[at(params.general + 1u, cell)] = general.high;
        state[at(params.luminance, cell)] = light.low;
        state[at(params.luminance + 1u, cell)] = light.high;
        state[at(params.red, cell)] = red.all.x;
        state[at(params.red + 1u, cell)] = red.all.y;
        state[at(params.red + 2u, cell)] = red.reds.x;
        state[at(params.red + 3u, cell)] = red.reds.y;
    }
    commit_track(general_track(), cell, frame, general.turn);
    commit_track(luminance_track(), cell, frame, light.turn);
    commit_track(red_track(), cell, frame, red.turn);
    commit_sequence(params.luminance_sequence, cell, frame, light.turn.event);
    commit_sequence(params.red_sequence, cell, frame, red.turn.event);
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
