//! The elements of a tensor in groups, as reductions and normalisations see them.

/// Groups of elements that differ only in their indices along some axes.
///
/// The groups come in row-major order of the other axes, the elements of a group in row-major order of its axes.
#[derive(Debug)]
pub(crate) struct Groups {
    starts: Vec<usize>,
    offsets: Vec<usize>,
}

impl Groups {
    /// The groups along `axes` of a row-major tensor of `shape`.
    pub fn new(shape: &[usize], axes: &[usize]) -> Self {
        let places = |inside: bool| {
            let mut places = vec![0];
            let mut stride: usize = shape.iter().product();
            for (axis, &dim) in shape.iter().enumerate() {
                stride /= dim.max(1);
                if axes.contains(&axis) == inside {
                    places =
                        places.iter().flat_map(|place| (0..dim).map(move |i| place + i * stride)).collect();
                }
            }
            places
        };
        Self { starts: places(false), offsets: places(true) }
    }

    /// Number of elements in each group.
    pub fn length(&self) -> usize {
        self.offsets.len()
    }

    /// Whether each group is one slice, right behind the group before it.
    pub fn contiguous(&self) -> bool {
        self.offsets.iter().enumerate().all(|(index, &offset)| index == offset)
            && self.starts.iter().enumerate().all(|(index, &start)| start == index * self.offsets.len())
    }

    /// Per group: the places of its elements.
    pub fn iter(&self) -> impl Iterator<Item = impl Iterator<Item = usize> + Clone> {
        self.starts.iter().map(|&start| self.offsets.iter().map(move |&offset| start + offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_cover_every_element_once() {
        for axes in [&[][..], &[0], &[1], &[2], &[0, 2], &[1, 2], &[0, 1, 2]] {
            let shape = [2, 3, 4];
            let groups = Groups::new(&shape, axes);
            let mut all: Vec<usize> = groups.iter().flatten().collect();
            assert_eq!(all.len(), 24, "{axes:?}");
            assert_eq!(groups.contiguous(), [&[][..], &[2], &[1, 2], &[0, 1, 2]].contains(&axes), "{axes:?}");
            all.sort_unstable();
            assert!(all.into_iter().eq(0..24), "{axes:?}");
        }
    }

    #[test]
    fn a_group_along_outer_axes_strides() {
        let groups = Groups::new(&[2, 3, 2], &[0, 1]);
        let second: Vec<usize> = groups.iter().nth(1).unwrap().collect();
        assert_eq!(second, [1, 3, 5, 7, 9, 11]);
    }
}
