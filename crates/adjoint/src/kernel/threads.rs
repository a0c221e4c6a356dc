//! Who does the work of one kernel: the calling thread alone, or a team.
//!
//! A step calls a hundred kernels of a tenth of a millisecond. Waking a thread takes about half of that, so the members
//! of a team stay awake for a while after each kernel and watch for the next one; a member that is late finds its work
//! done by the others, who do not wait for it.
#![allow(
    unsafe_code,
    reason = "threads of one kernel write disjoint parts of one output, through a borrowed task"
)]

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use super::KernelError;

/// How often a member looks for work before it sleeps: about a millisecond, longer than what lies between two kernels
/// of a step and shorter than anybody would mind.
const LOOKS: usize = 20_000;

/// The threads that share the work of one kernel.
///
/// Kernels cut their work into tasks whose results do not depend on who runs them, so the bits of every result are
/// the same for any number of threads. With one thread no team exists and nothing is handed over.
#[derive(Clone, Default)]
pub struct Threads {
    team: Option<Arc<Team>>,
}

impl std::fmt::Debug for Threads {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Threads").field("count", &self.count()).finish()
    }
}

impl Threads {
    /// The calling thread alone.
    pub fn one() -> Self {
        Self { team: None }
    }

    /// `count` threads, the calling one included; 0 and 1 both mean the calling thread alone.
    pub fn new(count: usize) -> Result<Self, KernelError> {
        if count <= 1 {
            return Ok(Self::one());
        }
        let team =
            Team::new(count).map_err(|error| KernelError::Threads { count, reason: error.to_string() })?;
        Ok(Self { team: Some(Arc::new(team)) })
    }

    /// How many threads take part.
    pub fn count(&self) -> usize {
        self.team.as_ref().map_or(1, |team| team.members.len() + 1)
    }

    /// Runs `task(index, slot)` for each index below `tasks`. `slot` is below [`Threads::count`] and no two tasks
    /// that run at the same time have the same slot, so that a slot can own scratch memory.
    ///
    /// A call while the team is at work (from a task, or from another thread) is done by its caller alone.
    pub(crate) fn for_each(&self, tasks: usize, task: impl Fn(usize, usize) + Sync) {
        match &self.team {
            Some(team) if tasks > 1 => team.run(tasks, &task),
            _ => (0..tasks).for_each(|index| task(index, 0)),
        }
    }

    /// Cuts `values` into parts of `len` and runs `task(start, part)` for each.
    pub(crate) fn for_each_part(
        &self,
        values: &mut [f32],
        len: usize,
        task: impl Fn(usize, &mut [f32]) + Sync,
    ) {
        let (total, len) = (values.len(), len.max(1));
        let shared = SharedMut::new(values);
        self.for_each(total.div_ceil(len), |index, _| {
            let start = index * len;
            // SAFETY: the parts do not overlap and each belongs to one task.
            task(start, unsafe { shared.part(start, len.min(total - start)) });
        });
    }
}

/// What the members share with the thread that calls them.
struct Board {
    /// The number of the call that may be joined; 0 where there is none. Numbers are never used twice.
    open: AtomicUsize,
    /// Members that are looking at the call or working on it.
    inside: AtomicUsize,
    /// The next task.
    next: AtomicUsize,
    /// Whether a task of the call panicked.
    panicked: AtomicBool,
    over: AtomicBool,
    call: UnsafeCell<Option<Call>>,
}

/// A kernel's tasks. The pointer is good while the call is open or somebody is inside.
#[derive(Clone, Copy)]
struct Call {
    tasks: usize,
    task: *const (dyn Fn(usize, usize) + Sync),
}

// SAFETY: `call` is written only by the owner of the team's turn while the call is closed and nobody is inside, and read
// only by members that are inside an open call; the closure behind it is Sync.
unsafe impl Sync for Board {}
// SAFETY: as above; nothing in it belongs to one thread.
unsafe impl Send for Board {}

impl Board {
    /// Works through the tasks that are left.
    fn drain(&self, call: &Call, slot: usize) {
        // SAFETY: the caller of `run` waits until nobody is inside, so the closure lives.
        let task = unsafe { &*call.task };
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= call.tasks {
                return;
            }
            task(index, slot);
        }
    }

    /// One look of a member at the board; whether there was a call that it had not seen.
    fn look(&self, seen: &mut usize, slot: usize) -> bool {
        if matches!(self.open.load(Ordering::Relaxed), number if number == 0 || number == *seen) {
            return false;
        }
        self.inside.fetch_add(1, Ordering::SeqCst);
        // Whoever closes a call looks at `inside` afterwards: either this sees it closed or the closer sees this member.
        let number = self.open.load(Ordering::SeqCst);
        if number != 0 && number != *seen {
            *seen = number;
            // SAFETY: the call is open and this member is inside.
            let call = unsafe { *self.call.get() };
            let work = AssertUnwindSafe(|| call.iter().for_each(|call| self.drain(call, slot)));
            if catch_unwind(work).is_err() {
                self.panicked.store(true, Ordering::Relaxed);
            }
        }
        self.inside.fetch_sub(1, Ordering::SeqCst);
        true
    }
}

/// A member's thread.
struct Member {
    asleep: Arc<AtomicBool>,
    handle: Option<JoinHandle<()>>,
}

struct Team {
    board: Arc<Board>,
    members: Vec<Member>,
    /// Whether a call is under way.
    busy: AtomicBool,
    calls: AtomicUsize,
}

impl Team {
    fn new(count: usize) -> std::io::Result<Self> {
        let board = Arc::new(Board {
            open: AtomicUsize::new(0),
            inside: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            over: AtomicBool::new(false),
            call: UnsafeCell::new(None),
        });
        let calls = AtomicUsize::new(0);
        let mut team = Self { board, members: Vec::new(), busy: AtomicBool::new(false), calls };
        for slot in 1..count {
            let asleep = Arc::new(AtomicBool::new(false));
            let (board, own) = (team.board.clone(), asleep.clone());
            let builder = thread::Builder::new().name(format!("adjoint-{slot}"));
            let handle = builder.spawn(move || wait(&board, &own, slot))?;
            team.members.push(Member { asleep, handle: Some(handle) });
        }
        Ok(team)
    }

    fn run(&self, tasks: usize, task: &(dyn Fn(usize, usize) + Sync)) {
        if self.busy.swap(true, Ordering::Acquire) {
            (0..tasks).for_each(|index| task(index, 0));
            return;
        }
        let board = &self.board;
        // SAFETY: only the lifetime changes; `Turn` closes the call and waits for all members before `task` ends.
        let task =
            unsafe { std::mem::transmute::<*const (dyn Fn(usize, usize) + Sync + '_), *const _>(task) };
        let call = Call { tasks, task };
        board.next.store(0, Ordering::Relaxed);
        // SAFETY: no call is open and nobody is inside: the last turn saw to it.
        unsafe { *board.call.get() = Some(call) };
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        board.open.store(number, Ordering::SeqCst);
        let turn = Turn(self);
        let wanted = self.members.len().min(tasks - 1);
        for member in &self.members[..wanted] {
            if member.asleep.load(Ordering::SeqCst)
                && let Some(handle) = &member.handle
            {
                handle.thread().unpark();
            }
        }
        board.drain(&call, 0);
        drop(turn);
        if board.panicked.swap(false, Ordering::Relaxed) {
            panic!("a task of a kernel panicked");
        }
    }
}

/// A call under way; at its end, also by a panic, the call is closed and everybody out.
struct Turn<'a>(&'a Team);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let board = &self.0.board;
        board.open.store(0, Ordering::SeqCst);
        let mut looks = 0usize;
        while board.inside.load(Ordering::SeqCst) > 0 {
            looks += 1;
            // A member may have lost its core in the middle of a task.
            if looks.is_multiple_of(LOOKS) { thread::yield_now() } else { std::hint::spin_loop() }
        }
        self.0.busy.store(false, Ordering::Release);
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.board.over.store(true, Ordering::SeqCst);
        for member in &mut self.members {
            if let Some(handle) = member.handle.take() {
                handle.thread().unpark();
                let _ = handle.join();
            }
        }
    }
}

/// The life of a member: looks for calls, sleeps when none comes.
fn wait(board: &Board, asleep: &AtomicBool, slot: usize) {
    let (mut seen, mut looks) = (0, 0);
    while !board.over.load(Ordering::Relaxed) {
        if board.look(&mut seen, slot) {
            looks = 0;
        } else if looks < LOOKS {
            looks += 1;
            std::hint::spin_loop();
        } else {
            asleep.store(true, Ordering::SeqCst);
            // Whoever opens a call looks at `asleep` afterwards: either this sees the call or is woken.
            let open = board.open.load(Ordering::SeqCst);
            if (open == 0 || open == seen) && !board.over.load(Ordering::SeqCst) {
                thread::park();
            }
            asleep.store(false, Ordering::SeqCst);
            looks = 0;
        }
    }
}

/// A mutable slice of which several threads write disjoint parts.
pub(crate) struct SharedMut<'a> {
    pointer: *mut f32,
    len: usize,
    lifetime: PhantomData<&'a mut [f32]>,
}

// SAFETY: the slice is borrowed mutably for 'a; every access goes through `part`, whose callers promise that parts in
// use at the same time do not overlap.
unsafe impl Sync for SharedMut<'_> {}
// SAFETY: as above; f32 has no thread affinity.
unsafe impl Send for SharedMut<'_> {}

impl<'a> SharedMut<'a> {
    pub fn new(slice: &'a mut [f32]) -> Self {
        Self { pointer: slice.as_mut_ptr(), len: slice.len(), lifetime: PhantomData }
    }

    /// The part `start..start + len`.
    ///
    /// # Safety
    /// No other part in use at the same time may overlap it.
    #[allow(clippy::mut_from_ref, reason = "disjointness is the caller's promise")]
    pub unsafe fn part(&self, start: usize, len: usize) -> &mut [f32] {
        assert!(start.checked_add(len).is_some_and(|end| end <= self.len), "part outside the slice");
        // SAFETY: inside the slice as just checked; disjoint by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.add(start), len) }
    }

    /// The whole, as a pointer: for strided writes of which several threads own interleaved elements.
    pub fn pointer(&self) -> *mut f32 {
        self.pointer
    }

    pub fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once_however_calls_follow_each_other() {
        for count in [1, 2, 3, 5] {
            let threads = Threads::new(count).unwrap();
            for round in 0..2000usize {
                let tasks = round % 17;
                let runs: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                let slots: Vec<AtomicBool> = (0..count).map(|_| AtomicBool::new(false)).collect();
                threads.for_each(tasks, |index, slot| {
                    assert!(!slots[slot].swap(true, Ordering::SeqCst), "two tasks at a time in slot {slot}");
                    runs[index].fetch_add(1, Ordering::SeqCst);
                    slots[slot].store(false, Ordering::SeqCst);
                });
                assert!(
                    runs.iter().all(|runs| runs.load(Ordering::SeqCst) == 1),
                    "{count} threads, round {round}"
                );
            }
        }
    }

    #[test]
    fn a_sleeping_team_wakes_and_a_call_inside_a_call_is_done_by_its_caller() {
        let threads = Threads::new(3).unwrap();
        for _ in 0..3 {
            thread::sleep(std::time::Duration::from_millis(20));
            let sum = AtomicUsize::new(0);
            threads.for_each(8, |outer, _| {
                threads.for_each(4, |inner, _| {
                    sum.fetch_add(outer * 4 + inner, Ordering::Relaxed);
                });
            });
            assert_eq!(sum.into_inner(), (0..32).sum::<usize>());
        }
    }

    #[test]
    fn a_panic_in_a_task_reaches_the_caller_and_leaves_the_team_usable() {
        let threads = Threads::new(2).unwrap();
        for bad in 0..6 {
            let call = AssertUnwindSafe(|| threads.for_each(6, |index, _| assert_ne!(index, bad)));
            assert!(catch_unwind(call).is_err());
        }
        let done = AtomicUsize::new(0);
        threads.for_each(6, |_, _| {
            done.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(done.into_inner(), 6);
    }

    #[test]
    fn two_callers_share_a_team() {
        let threads = Threads::new(2).unwrap();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let sum = AtomicUsize::new(0);
                        threads.for_each(9, |index, _| {
                            sum.fetch_add(index, Ordering::Relaxed);
                        });
                        assert_eq!(sum.into_inner(), 36);
                    }
                });
            }
        });
    }
}
