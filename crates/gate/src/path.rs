//! The path of an action, all of it. Start reading here.
//!
//! Every way in builds a [`Draft`] and comes through here. Up to the desk an action can be refused and
//! nothing has happened. After it there are only outcomes, and each is recorded.

use std::future::Future;

use verdict::{
    Action, Answer, Case, Closing, Draft, Halt, Hold, Index, Malformed, Outcome, Receipt, Settling, Status,
    Verdict, decide,
};

use crate::desk::{Admission, Desk};
use crate::eyes::Eyes;

/// The gate: everything one action needs.
#[derive(Clone)]
pub struct Gate {
    /// The single writer.
    pub desk: Desk,
    /// What it sees with.
    pub eyes: Eyes,
}

/// What is neither pure nor paper, for actions that the gate carries out itself. There are two: the real
/// one, and the simulation's.
pub trait World: Send + Sync {
    /// Waits until the question at `approval` is answered, withdrawn or over.
    fn ask(&self, approval: Index, receipt: &Receipt) -> impl Future<Output = ()> + Send;

    /// False: nobody waits for people here; a question is answered with its id, and the action comes again.
    fn waits(&self) -> bool {
        true
    }

    /// Carries out what is held. Always ends, and always in an outcome.
    fn execute(&self, hold: &Hold) -> impl Future<Output = Outcome> + Send;
}

/// The end of an action that the gate carried out, or did not. Made of what is on record, and of nothing else.
#[derive(Debug)]
pub enum Carried {
    /// It was carried out, and its end is on record.
    Out(Closing),
    /// It was refused, and the refusal is on record.
    Refused(Receipt),
}

impl Gate {
    /// Decides, for a caller who carries the action out and reports: `POST /v1/check` and its kin.
    pub async fn check(&self, draft: Draft) -> Result<Result<Receipt, Halt>, Malformed> {
        let _inside = self.desk.enter();
        let verdict = self.consider(draft).await?;
        Ok(self.desk.decide(verdict).await.map(Receipt::from))
    }

    /// Decides many in one commit. Those that are no actions are answered in their place.
    pub async fn check_all(&self, drafts: Vec<Draft>) -> Result<Vec<Result<Receipt, Malformed>>, Halt> {
        let (mut verdicts, mut odd) = (Vec::with_capacity(drafts.len()), Vec::with_capacity(drafts.len()));
        for draft in drafts {
            match self.consider(draft).await {
                Ok(verdict) => {
                    verdicts.push(verdict);
                    odd.push(None);
                }
                Err(malformed) => odd.push(Some(malformed)),
            }
            // A large batch does not hold up those who ask for one thing.
            tokio::task::coop::consume_budget().await;
        }
        let mut admissions = self.desk.decide_all(verdicts).await?.into_iter().map(Receipt::from);
        let answers = odd.into_iter().map(|odd| match odd {
            Some(malformed) => Some(Err(malformed)),
            None => admissions.next().map(Ok),
        });
        answers.collect::<Option<_>>().ok_or_else(|| Halt("the gate is shutting down".to_owned()))
    }

    /// Decides, waits for people, carries out, settles: the whole path, for ways in where the gate acts itself.
    pub async fn call<W: World>(&self, draft: Draft, world: &W) -> Result<Result<Carried, Halt>, Malformed> {
        let _inside = self.desk.enter();
        let verdict = self.consider(draft).await?;
        Ok(self.carry(verdict, world).await)
    }

    /// What may leave of what came back, by the policy in force now.
    pub async fn screen(&self, decided: &verdict::Decided, outcome: Outcome) -> Outcome {
        self.eyes.screen(&self.desk.policy(), decided, outcome).await
    }

    async fn carry<W: World>(&self, verdict: Verdict, world: &W) -> Result<Carried, Halt> {
        let case = verdict.case().clone();
        let hold = match self.desk.decide(verdict).await? {
            Admission::Go(hold) => hold,
            Admission::Stop(receipt) => match self.agreed(case, receipt, world).await? {
                Admission::Go(hold) => hold,
                Admission::Stop(receipt) => return Ok(Carried::Refused(receipt)),
            },
        };
        let (of, decided) = (hold.receipt().at(), hold.receipt().decided().clone());
        let unfinished = Unfinished { desk: self.desk.clone(), of, decided: Some(decided) };
        let outcome = world.execute(&hold).await;
        unfinished.disarm();
        let outcome = self.screen(hold.receipt().decided(), outcome).await;
        match self.desk.settle(hold.settle(outcome)).await? {
            Ok(closing) => Ok(Carried::Out(closing)),
            Err(refusal) => Err(Halt(refusal.to_string())),
        }
    }

    /// If a person must agree: waits for the answer, then decides the same action anew with it.
    async fn agreed<W: World>(&self, case: Case, receipt: Receipt, world: &W) -> Result<Admission, Halt> {
        let question = match receipt.decided() {
            it if it.decision != Answer::Pending || !world.waits() => None,
            it => Some(it.approval.unwrap_or(receipt.at())),
        };
        let Some(approval) = question else { return Ok(Admission::Stop(receipt)) };
        world.ask(approval, &receipt).await;
        let Case { action, facts } = case;
        let case = Case { action: action.with_approval(approval), facts };
        self.desk.decide(decide(&self.desk.policy(), case, self.desk.clock().now())).await
    }

    /// What would it do, and what does the policy say.
    async fn consider(&self, draft: Draft) -> Result<Verdict, Malformed> {
        let action = Action::new(draft)?;
        let policy = self.desk.policy();
        let mut facts = self.eyes.facts(&policy, &action);
        if self.eyes.must_look(&policy, &action, &facts) {
            self.eyes.look(&policy, &action, &mut facts).await;
        }
        let verdict = decide(&policy, Case { action, facts }, self.desk.clock().now());
        if matches!(verdict, Verdict::Deny(_))
            || !self.eyes.classifies(&policy, verdict.case().action.agent())
        {
            return Ok(verdict);
        }
        // A model server takes its time: it is asked only about what could still be allowed.
        let Case { action, mut facts } = verdict.into_case();
        self.eyes.classify(&policy, &action, &mut facts).await;
        Ok(decide(&policy, Case { action, facts }, self.desk.clock().now()))
    }
}

/// An action under way. If whoever drives it goes away before there is an outcome, it is recorded that nobody
/// knows how it ended: its key and what it holds stay.
struct Unfinished {
    desk: Desk,
    of: Index,
    decided: Option<verdict::Decided>,
}

impl Unfinished {
    fn disarm(mut self) {
        self.decided = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Some(decided) = self.decided.take() else { return };
        let (desk, of) = (self.desk.clone(), self.of);
        let settling = Settling::reported(of, decided, Outcome::plain(Status::Unknown), None);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(halt) = desk.settle(settling).await {
                    tracing::error!(decision = of, reason = %halt, "an unfinished action could not be recorded");
                }
            });
        }
    }
}

impl From<Admission> for Receipt {
    fn from(admission: Admission) -> Self {
        match admission {
            Admission::Go(hold) => hold.hand_over(),
            Admission::Stop(receipt) => receipt,
        }
    }
}
