//! The GPU against the CPU twin: linear light, code values, retina.

mod support;

use display::Snapshots;
use stimulus::twin::{encode, render, render_with};
use stimulus::{
    Flicker, FlickerKind, Grating, Patch, Picture, RetinaGrid, RetinaTemplate, Scene, Waveform, retina_of,
};

const LINEAR_TOLERANCE: f32 = 1e-3;
const RETINA_TOLERANCE: f64 = 1e-3;

#[test]
fn gratings_of_a_sweep_equal_their_twin() {
    // 203 is odd on purpose: rows that are no multiple of the copy alignment, and a centre between pixels.
    let screen = support::screen(203, 150);
    let mut scenes = vec![Scene::Grey];
    for (cpd, orientation_deg, diameter_deg) in [
        (0.25, 0.0, 30.0),
        (0.5, 30.0, 12.0),
        (1.0, 45.0, 10.0),
        (1.5, 90.0, 8.0),
        (2.0, 137.0, 6.0),
        (2.4, 171.0, 3.0),
    ] {
        scenes.push(Scene::Grating(support::grating(&screen, cpd, orientation_deg, diameter_deg)));
    }
    scenes.push(Scene::Grating(Grating {
        edge_px: 0.0,
        center_px: [40.25, 110.5],
        flicker: Flicker::realise(FlickerKind::OnOff, 10.0, Waveform::Square, 60.0).unwrap(),
        ..support::grating(&screen, 0.7, 10.0, 9.0)
    }));
    let patch = Patch::lower_right(&screen, 16);
    let grid = RetinaGrid::for_scenes(&scenes[..4], &screen);
    let Some(mut gpu) =
        support::with_adapter(Snapshots::prepare(&screen, scenes.clone(), &patch, Some(&grid)))
    else {
        return;
    };
    println!("{}", gpu.description());
    let pixels = 203 * 150;
    let (mut twin, mut bare, mut retina) = (vec![0.0; pixels], vec![0.0; pixels], vec![0.0; grid.cells()]);
    let (mut worst_linear, mut worst_code, mut worst_retina) = (0.0_f32, 0, 0.0_f64);
    for (number, scene) in scenes.iter().enumerate() {
        for (frame, contrast) in [(0, 1.0), (1, 0.3), (2, 0.9), (5, 0.02), (6, 1.0), (3_000_000_002, 0.7)] {
            let shot = gpu.shoot(number, frame, contrast).unwrap();
            render(scene, frame, contrast, &patch, &screen, &mut twin);
            render(scene, frame, contrast, &Patch::NONE, &screen, &mut bare);
            retina_of(scene, frame, contrast, &grid, &mut retina);
            for (gpu, cpu) in shot.linear.iter().zip(&bare) {
                worst_linear = worst_linear.max((gpu - cpu).abs());
            }
            for (&gpu, &cpu) in shot.codes.iter().zip(&twin) {
                worst_code = worst_code.max(gpu.abs_diff(encode(f64::from(cpu), screen.gamma)));
            }
            for (gpu, cpu) in shot.retina.iter().zip(&retina) {
                worst_retina = worst_retina.max((gpu - cpu).abs());
            }
            assert_eq!(
                (shot.linear.len(), shot.codes.len(), shot.retina.len()),
                (pixels, pixels, grid.cells())
            );
        }
    }
    println!("largest differences: linear {worst_linear:.2e}, code {worst_code}, retina {worst_retina:.2e}");
    assert!(worst_linear <= LINEAR_TOLERANCE, "{worst_linear}");
    assert!(worst_code <= 1, "{worst_code}");
    assert!(worst_retina <= RETINA_TOLERANCE, "{worst_retina}");
}

#[test]
fn the_comparison_can_fail() {
    // A twin with another phase must be told apart, or the sweep above proves nothing.
    let screen = support::screen(96, 64);
    let scenes = support::scenes(&screen);
    let Some(mut gpu) =
        support::with_adapter(Snapshots::prepare(&screen, scenes.clone(), &Patch::NONE, None))
    else {
        return;
    };
    let shot = gpu.shoot(1, 2, 0.5).unwrap();
    let Scene::Grating(grating) = scenes[1] else { panic!("scene 1 is a grating") };
    let other = Scene::Grating(Grating { phase_rad: grating.phase_rad + 0.02, ..grating });
    let mut twin = vec![0.0; 96 * 64];
    render(&other, 2, 0.5, &Patch::NONE, &screen, &mut twin);
    let worst = shot.linear.iter().zip(&twin).map(|(gpu, cpu)| (gpu - cpu).abs()).fold(0.0, f32::max);
    assert!(worst > LINEAR_TOLERANCE, "{worst}");
}

#[test]
fn pictures_equal_their_twin() {
    let screen = support::screen(203, 150);
    let flicker = Flicker::realise(FlickerKind::Counterphase, 7.5, Waveform::Sine, 60.0).unwrap();
    for (texels, texel_px) in [(1, 1), (12, 3), (48, 3), (7, 20)] {
        let picture = Picture::centred(&screen, texels, texel_px, flicker).unwrap();
        let scenes = vec![Scene::Grey, Scene::Picture(picture)];
        let grid = RetinaGrid::for_scenes(&scenes, &screen);
        let Some(mut gpu) =
            support::with_adapter(Snapshots::prepare(&screen, scenes.clone(), &Patch::NONE, Some(&grid)))
        else {
            return;
        };
        let grey = gpu.shoot(1, 1, 1.0).unwrap();
        assert!(grey.linear.iter().all(|&value| value == 0.5), "a picture without a pattern is grey");
        // A pattern without any symmetry, from -1 to 1.
        let pattern: Vec<f32> =
            (0..picture.count()).map(|at| ((at * at * 7 + at) % 256) as f32 / 127.5 - 1.0).collect();
        gpu.load(&pattern);
        let (mut twin, mut retina) = (vec![0.0; 203 * 150], vec![0.0; grid.cells()]);
        let mut template = RetinaTemplate::prepare(&scenes[1], &grid);
        template.load(&pattern);
        for (frame, contrast) in [(1, 1.0), (3, 0.4), (6, 0.03)] {
            let shot = gpu.shoot(1, frame, contrast).unwrap();
            render_with(&scenes[1], &pattern, frame, contrast, &Patch::NONE, &screen, &mut twin);
            template.frame(frame, contrast, &mut retina);
            let worst = shot.linear.iter().zip(&twin).map(|(gpu, cpu)| (gpu - cpu).abs()).fold(0.0, f32::max);
            assert!(worst <= 1e-6, "{texels} texels of {texel_px} px: {worst}");
            let worst =
                shot.retina.iter().zip(&retina).map(|(gpu, cpu)| (gpu - cpu).abs()).fold(0.0, f64::max);
            // The shader sums the pixels of a cell in f32: 400 of them where a texel is 20 px.
            assert!(worst <= 1e-5, "retina of {texels} texels of {texel_px} px: {worst}");
        }
    }
}
