//! A call under way: who waits for what, and who goes on when it comes.
//!
//! A call is driven by the thread that read it until its request is with the server, and then by the thread
//! that reads the answer: no change of threads in between. Only a call that must wait for something else
//! (a person, a list of tools) moves to the runtime.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

/// What is to be driven.
pub(super) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A call under way.
pub(super) struct Flight {
    state: Mutex<State>,
    cancelled: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    stage: Stage,
    /// Takes the server's answer.
    answer: Option<oneshot::Sender<Vec<u8>>>,
    /// Left here by whoever drove it last.
    parked: Option<Task>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    /// Not with the server.
    #[default]
    Here,
    /// With the server.
    Sent,
    /// The server's answer is there, or will never come.
    Back,
}

impl Flight {
    /// A call that was just read.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), cancelled: watch::Sender::new(false) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here is left half changed by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request is about to be sent. Its answer comes out of here; an error means that none will come.
    pub(super) fn depart(&self) -> oneshot::Receiver<Vec<u8>> {
        let (answer, wait) = oneshot::channel();
        let mut state = self.state();
        state.stage = Stage::Sent;
        state.answer = Some(answer);
        wait
    }

    /// True once the request is with the server, or was.
    pub(super) fn is_sent(&self) -> bool {
        self.state().stage != Stage::Here
    }

    /// Hands over the server's answer (`None`: there will be none) and goes on with the call.
    pub(super) fn arrive(self: &Arc<Self>, answer: Option<Vec<u8>>, runtime: &Handle) {
        let parked = {
            let mut state = self.state();
            state.stage = Stage::Back;
            if let (Some(to), Some(answer)) = (state.answer.take(), answer) {
                // Whoever waited may have gone.
                let _gone = to.send(answer);
            }
            state.parked.take()
        };
        if let Some(task) = parked {
            self.drive(task, runtime);
        }
    }

    /// The client does not want the answer any more.
    pub(super) fn cancel(&self) {
        self.cancelled.send_replace(true);
    }

    /// True if the client does not want the answer.
    pub(super) fn is_cancelled(&self) -> bool {
        *self.cancelled.borrow()
    }

    /// Tells when that changes.
    pub(super) fn cancellation(&self) -> watch::Receiver<bool> {
        self.cancelled.subscribe()
    }

    /// Goes on with the call as far as it goes on this thread.
    pub(super) fn drive(self: &Arc<Self>, mut task: Task, runtime: &Handle) {
        let mut answered_before = false;
        loop {
            if task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                return;
            }
            let mut state = self.state();
            match state.stage {
                Stage::Sent => {
                    state.parked = Some(task);
                    return;
                }
                // The answer came before the task could be parked.
                Stage::Back if !answered_before => answered_before = true,
                Stage::Here | Stage::Back => {
                    runtime.spawn(task);
                    return;
                }
            }
        }
    }
}
