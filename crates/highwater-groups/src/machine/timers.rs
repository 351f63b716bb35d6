//! What the passing of time does to a group: sessions end, rebalances complete.
//!
//! A group asks to be woken no later than its next deadline. Heartbeats move deadlines away without
//! touching that request, so that they cost no search; the tick finds out how things stand.

use std::sync::Arc;

use super::group::{Completing, Group, Phase};
use super::ledger::Turn;

impl Group {
    pub(crate) fn tick(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now.monotonic;
        self.wake_at = None;
        self.expire_promised(turn);
        self.expire_sessions(turn);
        match &self.phase {
            Phase::Preparing(preparing) if preparing.deadline <= now => self.join_deadline_passed(turn),
            Phase::Completing(Completing { wait, .. }) | Phase::Stable(wait)
                if wait.deadline.is_some_and(|deadline| deadline <= now) =>
            {
                self.sync_deadline_passed(turn);
            }
            _ => {}
        }
        self.ask_for_tick();
    }

    fn expire_promised(&mut self, turn: &mut Turn<'_>) {
        let before = self.promised.len();
        self.promised.retain(|_, deadline| *deadline > turn.now.monotonic);
        if self.promised.len() < before {
            self.complete_if_all_joined(turn);
        }
    }

    fn expire_sessions(&mut self, turn: &mut Turn<'_>) {
        let over =
            self.members.iter().filter(|member| member.can_expire() && member.session_deadline <= turn.now.monotonic);
        let over: Vec<Arc<str>> = over.map(|member| Arc::clone(&member.id)).collect();
        for member_id in &over {
            tracing::info!(group = &*self.id, member = &**member_id, "session timed out");
            self.remove_member(turn, member_id);
        }
        if !over.is_empty() {
            self.members_left(turn);
        }
    }

    /// Sets `wake_at` to the earliest deadline there is.
    pub(crate) fn ask_for_tick(&mut self) {
        let sessions = self.members.iter().filter(|member| member.can_expire()).map(|member| member.session_deadline);
        let phase = match &self.phase {
            Phase::Empty => None,
            Phase::Preparing(preparing) => Some(preparing.deadline),
            Phase::Completing(Completing { wait, .. }) | Phase::Stable(wait) => wait.deadline,
        };
        let earliest = sessions.chain(self.promised.values().copied()).chain(phase).min();
        self.wake_at = earliest;
    }
}
