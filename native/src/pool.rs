//! A pool of threads that work ahead of one consumer, which takes the results in the order of its choice.
//!
//! The threads know nothing of Python. A consumer that needs a result which no thread has begun computes it itself, so
//! that a pool of no threads works, too.

use std::collections::VecDeque;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A piece of work; `Buffers` is the memory that a thread uses for one piece after another.
pub trait Work: Send + 'static {
    type Buffers: Default + Send;
    type Output: Send;

    fn run(&self, buffers: &mut Self::Buffers) -> Self::Output;
}

enum State<W: Work> {
    Waiting(W),
    Running,
    /// None if the work panicked.
    Done(W, Option<W::Output>),
    Taken,
}

/// A submitted piece of work.
pub struct Job<W: Work> {
    state: Mutex<State<W>>,
    done: Condvar,
}

impl<W: Work> Job<W> {
    /// Run the work unless someone else has begun it.
    fn run(&self, buffers: &mut W::Buffers) {
        let mut state = locked(&self.state);
        let work = match mem::replace(&mut *state, State::Running) {
            State::Waiting(work) => work,
            other => {
                *state = other;
                return;
            }
        };
        drop(state);
        let output = catch_unwind(AssertUnwindSafe(|| work.run(buffers))).ok();
        if output.is_none() {
            *buffers = W::Buffers::default();
        }
        *locked(&self.state) = State::Done(work, output);
        self.done.notify_all();
    }

    /// Return the work and its result; None if the work panicked, or if both were taken before.
    pub fn result(&self, buffers: &mut W::Buffers) -> Option<(W, W::Output)> {
        self.run(buffers);
        let mut state = locked(&self.state);
        while matches!(*state, State::Running) {
            state = self
                .done
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        match mem::replace(&mut *state, State::Taken) {
            State::Done(work, output) => output.map(|output| (work, output)),
            _ => None,
        }
    }

    /// Drop the work unless a thread has begun it.
    pub fn cancel(&self) {
        let mut state = locked(&self.state);
        if matches!(*state, State::Waiting(_)) {
            *state = State::Taken;
        }
    }
}

struct Queue<W: Work> {
    jobs: VecDeque<Arc<Job<W>>>,
    running: usize,
    closed: bool,
}

struct Shared<W: Work> {
    queue: Mutex<Queue<W>>,
    ready: Condvar,
}

/// Threads that run jobs in the order of their submission. They start with the first job, and end with the pool.
pub struct Pool<W: Work> {
    shared: Arc<Shared<W>>,
    missing: Mutex<usize>,
}

impl<W: Work> Pool<W> {
    pub fn new(threads: usize) -> Pool<W> {
        let jobs = VecDeque::new();
        let queue = Mutex::new(Queue {
            jobs,
            running: 0,
            closed: false,
        });
        let ready = Condvar::new();
        Pool {
            shared: Arc::new(Shared { queue, ready }),
            missing: Mutex::new(threads),
        }
    }

    pub fn submit(&self, work: W) -> Arc<Job<W>> {
        self.start();
        let job = Arc::new(Job {
            state: Mutex::new(State::Waiting(work)),
            done: Condvar::new(),
        });
        locked(&self.shared.queue).jobs.push_back(Arc::clone(&job));
        self.shared.ready.notify_one();
        job
    }

    /// Return true if the threads have nothing to do.
    pub fn is_idle(&self) -> bool {
        let queue = locked(&self.shared.queue);
        queue.jobs.is_empty() && queue.running == 0
    }

    /// Start the threads; where the system allows none, the consumer does all the work.
    fn start(&self) {
        for number in 0..mem::take(&mut *locked(&self.missing)) {
            let shared = Arc::clone(&self.shared);
            let name = format!("scan-{number}");
            if thread::Builder::new()
                .name(name)
                .spawn(move || serve(&shared))
                .is_err()
            {
                return;
            }
        }
    }
}

impl<W: Work> Drop for Pool<W> {
    fn drop(&mut self) {
        let mut queue = locked(&self.shared.queue);
        queue.closed = true;
        queue.jobs.clear();
        self.shared.ready.notify_all();
    }
}

fn serve<W: Work>(shared: &Shared<W>) {
    let mut buffers = W::Buffers::default();
    loop {
        let mut queue = locked(&shared.queue);
        let job = loop {
            if queue.closed {
                return;
            }
            if let Some(job) = queue.jobs.pop_front() {
                queue.running += 1;
                break job;
            }
            queue = shared
                .ready
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        };
        drop(queue);
        job.run(&mut buffers);
        drop(job);
        locked(&shared.queue).running -= 1;
    }
}

/// Lock a mutex; each value behind it is whole even if a thread panicked.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const UNLUCKY: u64 = 1 << 40;

    /// Doubles a number; panics for UNLUCKY, and waits for a signal if it has one.
    struct Double(u64, Option<Mutex<mpsc::Receiver<()>>>);

    impl Work for Double {
        type Buffers = Vec<u64>;
        type Output = (u64, usize);

        fn run(&self, buffers: &mut Vec<u64>) -> (u64, usize) {
            if let Some(signal) = &self.1 {
                signal.lock().unwrap().recv().unwrap();
            }
            buffers.push(self.0);
            assert_ne!(self.0, UNLUCKY, "an unlucky number");
            (self.0 * 2, buffers.len())
        }
    }

    fn output(job: &Job<Double>, buffers: &mut Vec<u64>) -> Option<(u64, usize)> {
        job.result(buffers).map(|(_, output)| output)
    }

    #[test]
    fn results_are_taken_in_any_order_and_once() {
        for threads in [0, 1, 4] {
            let pool = Pool::new(threads);
            let jobs: Vec<_> = (0..100).map(|n| pool.submit(Double(n, None))).collect();
            for (n, job) in jobs.iter().enumerate().rev() {
                assert_eq!(output(job, &mut Vec::new()).unwrap().0, n as u64 * 2);
                assert_eq!(output(job, &mut Vec::new()), None);
            }
        }
    }

    #[test]
    fn the_consumer_does_what_no_thread_has_begun() {
        let pool = Pool::new(1);
        let (signal, waits) = mpsc::channel();
        let first = pool.submit(Double(1, Some(Mutex::new(waits))));
        let second = pool.submit(Double(2, None));
        assert_eq!(output(&second, &mut vec![0; 7]), Some((4, 8)));
        signal.send(()).unwrap();
        assert_eq!(output(&first, &mut Vec::new()).unwrap().0, 2);
        while !pool.is_idle() {
            thread::yield_now();
        }
    }

    #[test]
    fn a_panic_is_no_result_and_leaves_clean_buffers() {
        let pool = Pool::new(0);
        let mut buffers = vec![1, 2];
        let job = pool.submit(Double(UNLUCKY, None));
        assert_eq!(output(&job, &mut buffers), None);
        assert!(buffers.is_empty());
        let pool = Pool::new(1);
        let jobs: Vec<_> = [UNLUCKY, 1].map(|n| pool.submit(Double(n, None))).into();
        assert_eq!(output(&jobs[1], &mut Vec::new()), Some((2, 1)));
        assert_eq!(output(&jobs[0], &mut Vec::new()), None);
    }

    #[test]
    fn a_cancelled_job_is_not_run() {
        let pool = Pool::new(0);
        let job = pool.submit(Double(1, None));
        job.cancel();
        assert_eq!(output(&job, &mut Vec::new()), None);
    }
}
