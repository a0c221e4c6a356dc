// The governor's history of each cell: which changes count, how many lie within the last second and the last five, and what is
// shown entering it. Twin: stimulus::safety::detector and rule. Stands behind governor.wgsl.

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
