// What a user's own WGSL is told of a point. It stands in front of a user's file, whose `value` says what is there.

struct Here {
    // From the stimulus's centre to its right and up, in degrees and in pixels.
    deg: vec2<f32>,
    px: vec2<f32>,
    // How many degrees a pixel of the screen covers.
    deg_per_px: f32,
    // Since the onset: in seconds, and in refreshes.
    s: f32,
    frame: u32,
    // What has drifted since the onset, in cycles, 0 to 1.
    cycles: f32,
}
