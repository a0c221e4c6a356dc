//! The carrier for "only the newest value matters": a wait-free triple buffer.

/// Writing end.
pub struct LatestWriter<T: Send>(triple_buffer::Input<T>);

/// Reading end.
pub struct LatestReader<T: Send>(triple_buffer::Output<T>);

/// A triple buffer that holds `initial` until something is published.
pub fn latest<T: Clone + Send>(initial: &T) -> (LatestWriter<T>, LatestReader<T>) {
    let (input, output) = triple_buffer::TripleBuffer::new(initial).split();
    (LatestWriter(input), LatestReader(output))
}

impl<T: Send> LatestWriter<T> {
    /// Publishes a value; an unread older one is gone.
    pub fn publish(&mut self, value: T) {
        self.0.write(value);
    }
}

impl<T: Send> LatestReader<T> {
    /// The newest value.
    pub fn read(&mut self) -> &T {
        self.0.read()
    }
}
