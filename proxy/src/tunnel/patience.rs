//! What a tunnel waits for, and for how long: the one deadline that it has while it needs one.

use std::task::{Context, Poll};
use std::time::Duration;

use switchboard_core::moment::Moment;
use switchboard_core::reason::Reason;
use switchboard_core::websocket::frame;

use super::frames::Frames;
use super::keep::Due;
use super::{End, Running, goodbye};
use crate::error::Side;

impl Running {
    /// A tunnel has a timer only while somebody takes nothing, while one side has ended, or while it says goodbye.
    #[inline]
    pub(super) fn poll_patience(&mut self, context: &Context<'_>) -> Poll<End> {
        let still = self.up.stalled_since.is_none() && self.down.stalled_since.is_none();
        let open = self.up.ended_at.is_none() && self.down.ended_at.is_none();
        let unbound = |frames: &Frames| frames.goodbye.is_none() && frames.keep.is_none();
        if still && open && self.frames.as_deref().is_none_or(unbound) {
            self.deadline = None;
            return Poll::Pending;
        }
        self.poll_impatience(context)
    }

    #[cold]
    fn poll_impatience(&mut self, context: &Context<'_>) -> Poll<End> {
        if let Some(frames) = &self.frames
            && frames.goodbye.is_some()
            && frames.is_over(&self.up, &self.down)
        {
            return Poll::Ready(self.goodbye());
        }
        let kept = self.tend(context);
        let clock = &self.worker.deadlines;
        let timeouts = self.facts.timeouts();
        // The side that has stalled for longest: the other may come and go meanwhile.
        let stalled = [self.up.stalled_since, self.down.stalled_since].into_iter().flatten().min();
        let ended = self.up.ended_at.max(self.down.ended_at);
        let by_write = latest(stalled, timeouts.write);
        let by_fin = latest(ended, timeouts.tunnel_fin);
        let since = self.frames.as_ref().and_then(|frames| frames.goodbye).map(|goodbye| goodbye.since);
        let by_goodbye = latest(since, Some(goodbye::PATIENCE));
        let by_message = latest(since, Some(goodbye::PATIENCE_FOR_MESSAGES));
        let now = clock.about_now();
        let hurried = now >= by_message;
        let last_words = latest(since, Some(goodbye::LAST_WORDS));
        if let Some(frames) = self.frames.as_mut().filter(|_| now >= last_words) {
            frames.cut_short();
            if hurried {
                frames.hurry();
            }
            if frames.is_noted() {
                context.waker().wake_by_ref();
            }
        }
        // What has come is done by now and no more waited for: a deadline that is set to it again would not wake anybody.
        let by_words = if self.may_still_speak() { last_words } else { Moment::NEVER };
        let next = kept.min(by_write).min(by_fin).min(by_words).min(if hurried { by_goodbye } else { by_message });
        let deadline = self.deadline.get_or_insert_with(|| clock.place());
        deadline.register(context);
        deadline.set(next);
        if now >= by_goodbye {
            let end = self.goodbye();
            return self.fail(Side::Proxy, end.map_or(Reason::Draining, |(_, reason)| reason));
        }
        if now >= by_fin && by_fin <= by_write {
            return Poll::Ready(self.goodbye());
        }
        if now >= by_write {
            let side = if self.down.stalled_since == stalled { Side::Downstream } else { Side::Upstream };
            let reason = if side == Side::Downstream { Reason::ClientGone } else { Reason::UpstreamReset };
            return self.fail(side, reason);
        }
        Poll::Pending
    }

    fn may_still_speak(&self) -> bool {
        self.frames.as_ref().is_some_and(|frames| frames.has_last_words())
    }

    /// Does what the rule's limits ask for by the clock. Returns when they will next ask.
    fn tend(&mut self, context: &Context<'_>) -> Moment {
        let Some(frames) = &mut self.frames else { return Moment::NEVER };
        let (None, Some(keep)) = (frames.goodbye, &mut frames.keep) else { return Moment::NEVER };
        let now = self.worker.deadlines.about_now();
        let due = keep.due([&self.up, &self.down], [&frames.up, &frames.down], now);
        match due {
            Due::Nothing => return keep.next(),
            Due::Resume => keep.resume([&mut frames.up, &mut frames.down], now),
            Due::End(goodbye) => frames.begin_goodbye(goodbye),
            Due::Ping([client, endpoint]) => {
                let payload = std::array::from_fn(|_| self.worker.deadlines.chance());
                let asked = [client && frames.down.may_interject(), endpoint && frames.up.may_interject()];
                if asked[0] {
                    frame::write_ping(self.down.own_frames(), payload, None);
                    frames.up.await_pong(Some(payload));
                }
                if asked[1] {
                    frame::write_ping(self.up.own_frames(), payload, Some(self.worker.mask()));
                    frames.down.await_pong(Some(payload));
                }
                keep.pinged(asked, now);
            }
        }
        // What there is to send or to read now is the flows' business.
        context.waker().wake_by_ref();
        frames.keep.as_ref().map_or(Moment::NEVER, |keep| keep.next())
    }
}

fn latest(since: Option<Moment>, patience: Option<Duration>) -> Moment {
    match (since, patience) {
        (Some(since), Some(patience)) => since + patience,
        _ => Moment::NEVER,
    }
}
