// The governor's search for stripes. Twin: stimulus::safety::stripes. Stands behind governor.wgsl.

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
    first: u32,
    period: u32,
}

const STRIPE_CHANGES: u32 = 11u;

// Whether two stripes differ by no more than a quarter, or the pixel that their edges are rounded by.
fn alike(one: u32, other: u32) -> bool {
    return 4u * one <= 5u * other + 4u && 4u * other <= 5u * one + 4u;
}

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
    // Pixels are looked at in small groups first, whose light is fetched at once. Bounds grow with the darker state, so that
    // nothing turns within a group whose extremes would not.
    let length = length_of(line);
    let stride = u32(line.step.y * i32(params.width) + line.step.x);
    var place = first_light() + u32(line.start.y) * params.width + u32(line.start.x);
    // The extremes since the last turn, and its direction.
    var low = state[place];
    var high = low;
    var turn = 0u;
    var chain = Chain(0u, 0u, 0u, 0u, 0u, 0u);
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
                    let even = chain.changes == 2u || alike(step - last, before - chain.first);
                    if even && period >= params.shortest_period {
                        chain.changes += 1u;
                        chain.period = period;
                    } else {
                        mark_chain(line, chain);
                        if period >= params.shortest_period {
                            chain = Chain(before, 3u, last, before, before, period);
                        } else {
                            chain = Chain(last, 2u, last, before, before, period);
                        }
                    }
                }
                chain.first = before;
                chain.before = last;
                chain.last = step;
            }
            step += 1u;
        }
        place = ahead;
    }
    mark_chain(line, chain);
}
