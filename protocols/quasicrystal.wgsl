// Plane waves in evenly spaced directions, added up: five of them or more make a pattern that has an order and never repeats.
// They drift together, each along its own direction.

struct Parameters {
    /// 0.1 to 10
    sf_cpd: f32,
    /// 2 to 12, 5 if absent
    waves: f32,
}

fn value(here: Here, parameters: Parameters) -> f32 {
    let count = i32(parameters.waves);
    var sum = 0.0;
    for (var i = 0; i < 12; i++) {
        if i == count {
            break;
        }
        let angle = PI * f32(i) / f32(count);
        let along = dot(here.deg, vec2<f32>(cos(angle), sin(angle)));
        // A cosine of many cycles is less exact than that of what is left of them.
        sum += cos(TAU * fract(parameters.sf_cpd * along + here.cycles));
    }
    return sum / f32(count);
}
