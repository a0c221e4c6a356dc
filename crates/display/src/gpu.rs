//! Adapter, device and queue.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::config::DisplayError;

/// What everything on the GPU is made with.
pub(crate) struct Gpu {
    pub(crate) adapter: wgpu::Adapter,
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    pub(crate) info: wgpu::AdapterInfo,
    /// The first error that no call returned: wgpu's own answer to those is a panic.
    failure: Arc<OnceLock<String>>,
}

impl Gpu {
    pub(crate) fn instance() -> wgpu::Instance {
        wgpu::Instance::new(wgpu::InstanceDescriptor {
            backends: wgpu::Backends::VULKAN,
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        })
    }

    /// Opens the best adapter that can present to `surface` (any adapter without one).
    pub(crate) fn open(
        instance: &wgpu::Instance,
        surface: Option<&wgpu::Surface<'static>>,
        [width, height]: [u32; 2],
    ) -> Result<Self, DisplayError> {
        let adapter = pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            compatible_surface: surface,
            ..Default::default()
        }))
        .map_err(|error| DisplayError::NoAdapter(error.to_string()))?;
        let info = adapter.get_info();
        let available = adapter.limits();
        let limit = available.max_texture_dimension_2d;
        if width > limit || height > limit {
            return Err(DisplayError::TooLarge { adapter: info.name, width, height, limit });
        }
        if !adapter.features().contains(wgpu::Features::FLOAT32_BLENDABLE) {
            let reason = "it cannot blend textures of 32-bit floats (FLOAT32_BLENDABLE)".into();
            return Err(DisplayError::NoDevice { adapter: info.name, reason });
        }
        let required_limits = wgpu::Limits {
            // A movie has as many layers as frames: the default's 256 are four seconds of it.
            max_texture_array_layers: available.max_texture_array_layers,
            // The governor's state of a near screen with a high refresh rate is larger than what every adapter allows.
            max_storage_buffer_binding_size: available.max_storage_buffer_binding_size,
            max_buffer_size: available.max_buffer_size,
            ..wgpu::Limits::downlevel_defaults().using_resolution(available)
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("photic display"),
            // Linear light is blended in 32 bits: with 16, contrasts below 1/256 would be lost.
            required_features: wgpu::Features::FLOAT32_BLENDABLE,
            required_limits,
            ..Default::default()
        }))
        .map_err(|error| DisplayError::NoDevice { adapter: info.name.clone(), reason: error.to_string() })?;

        let failure = Arc::new(OnceLock::new());
        let keep = Arc::clone(&failure);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            // only the first is kept: it is the cause of the others
            let _ = keep.set(error.to_string());
        }));
        let keep = Arc::clone(&failure);
        device.set_device_lost_callback(move |reason, words| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                let _ = keep.set(format!("device lost: {words}"));
            }
        });
        Ok(Self { adapter, device, queue, info, failure })
    }

    /// Whether the adapter is a program on the CPU.
    pub(crate) fn is_software(&self) -> bool {
        self.info.device_type == wgpu::DeviceType::Cpu
    }

    /// The first error that no call returned.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Breaks the device.
    #[cfg(test)]
    pub(crate) fn lose(&self) {
        self.device.destroy();
        let _ = self.failure.set("device lost: a test".into());
    }

    /// Waits until all work handed over so far is done; `false` after a second, or when the device is lost.
    pub(crate) fn finish(&self, submission: wgpu::SubmissionIndex) -> bool {
        self.finish_within(submission, Duration::from_secs(1))
    }

    /// The same for work that is done for the first time: a driver may compile dozens of pipelines for it.
    pub(crate) fn finish_first(&self, submission: wgpu::SubmissionIndex) -> bool {
        self.finish_within(submission, Duration::from_secs(30))
    }

    fn finish_within(&self, submission: wgpu::SubmissionIndex, timeout: Duration) -> bool {
        let wait = wgpu::PollType::Wait { submission_index: Some(submission), timeout: Some(timeout) };
        self.device.poll(wait).is_ok()
    }

    /// Lets finished work call back, without waiting.
    pub(crate) fn poll(&self) {
        // An error here is a lost device, which `failure` reports.
        let _ = self.device.poll(wgpu::PollType::Poll);
    }
}
