// Retina pass: mean luminance over each square block of the crop, row-major. Twin: stimulus::retina_of.

@group(0) @binding(1) var linear: texture_2d<f32>;
@group(0) @binding(2) var<storage, read_write> cells: array<f32>;

@compute @workgroup_size(8, 8)
fn retina(@builtin(global_invocation_id) id: vec3<u32>) {
    if any(id.xy >= frame.retina_cells) {
        return;
    }
    let corner = frame.retina_px + id.xy * frame.retina_cell_px;
    var sum = 0.0;
    for (var y = 0u; y < frame.retina_cell_px; y++) {
        for (var x = 0u; x < frame.retina_cell_px; x++) {
            // What the screen cannot show, nobody sees.
            let light = clamp(textureLoad(linear, corner + vec2<u32>(x, y), 0).rgb, vec3<f32>(0.0), vec3<f32>(1.0));
            sum += dot(light, frame.luminance_weights);
        }
    }
    let pixels = f32(frame.retina_cell_px * frame.retina_cell_px);
    cells[id.y * frame.retina_cells.x + id.x] = sum / pixels;
}
