//! The connection of a store, kept beside the workers: opened again where it fails, and told at once that it has failed.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult, Script};
use switchboard_core::config::Redis;
use tokio::sync::{Notify, mpsc};

use super::{Ask, Question, Verdict};

/// Looks at every cell (GCRA, in microseconds since a day in 2023, so that a double has room for fractions), and takes
/// from all or from none. Those with a mode of 1 are looked at only: they count, and let pass.
const SCRIPT: &str = r"
local time = redis.call('TIME')
local now = (time[1] - 1700000000) * 1000000 + time[2]
local taken, which, wait, shadows = {}, 0, 0, 0
for i = 1, #KEYS do
  local interval, tolerance, mode = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), ARGV[3 * i]
  local from = math.max(tonumber(redis.call('GET', KEYS[i]) or now) or now, now)
  local over = from - now - tolerance
  if over <= 1 then
    taken[i] = from + interval
  elseif mode == '1' then
    shadows = shadows + 1
  elseif over > wait then
    which, wait = i, over
  end
end
if which == 0 then
  for i = 1, #KEYS do
    if taken[i] then
      redis.call('SET', KEYS[i], string.format('%.3f', taken[i]), 'PX', math.ceil((taken[i] - now) / 1000) + 1)
    end
  end
end
return { which, math.ceil(wait), shadows }
";

/// Between two attempts to connect, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Keeps one connection and answers by it. While there is none, and it is not the first that is being made, questions
/// are answered at once.
pub(super) async fn serve(settings: Redis, mut inbox: mpsc::Receiver<Ask>) {
    let client = match Client::open(settings.url.0.as_str()) {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "redis: the URL can't be used; its limits do as `on_error` says");
            while let Some(ask) = inbox.recv().await {
                ask.refuse();
            }
            return;
        }
    };
    let script = Arc::new(Script::new(SCRIPT));
    let mut pause = Duration::ZERO;
    let mut quiet = false;
    loop {
        if !pause.is_zero() && !refuse_for(pause, &mut inbox).await {
            return;
        }
        match connect(&client, &settings, &mut inbox, pause.is_zero()).await {
            Some(Ok(connection)) => {
                tracing::info!("redis: connected; limits count together");
                (quiet, pause) = (false, PAUSE.0);
                if !answer(connection, &script, &mut inbox).await {
                    return;
                }
                tracing::warn!("redis: the connection was lost; limits do as `on_error` says");
            }
            Some(Err(error)) => {
                if !quiet {
                    tracing::warn!(%error, "redis: no connection; limits do as `on_error` says");
                }
                quiet = true;
                pause = (pause * 2).clamp(PAUSE.0, PAUSE.1);
            }
            None => return,
        }
    }
}

/// Connects. `None` where nobody is left to ask. Questions wait for the first attempt; later they are refused.
async fn connect(
    client: &Client,
    settings: &Redis,
    inbox: &mut mpsc::Receiver<Ask>,
    first: bool,
) -> Option<RedisResult<MultiplexedConnection>> {
    // Longer than a request waits: a connection that takes its time is still worth having for the next ones.
    let patience = settings.timeout.max(Duration::from_secs(1));
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(patience))
        .set_response_timeout(Some(settings.timeout * 2));
    let mut made = pin!(client.get_multiplexed_async_connection_with_config(&config));
    loop {
        tokio::select! {
            made = &mut made => return Some(made),
            ask = inbox.recv(), if !first => ask?.refuse(),
        }
    }
}

/// Refuses what comes for a while. Returns whether anybody may still ask.
async fn refuse_for(pause: Duration, inbox: &mut mpsc::Receiver<Ask>) -> bool {
    let mut over = pin!(tokio::time::sleep(pause));
    loop {
        tokio::select! {
            () = &mut over => return true,
            ask = inbox.recv() => match ask {
                Some(ask) => ask.refuse(),
                None => return false,
            },
        }
    }
}

/// Answers questions until the connection fails. Returns whether anybody may still ask.
async fn answer(connection: MultiplexedConnection, script: &Arc<Script>, inbox: &mut mpsc::Receiver<Ask>) -> bool {
    let failed = Arc::new(Notify::new());
    loop {
        let ask = tokio::select! {
            biased;
            () = failed.notified() => return true,
            ask = inbox.recv() => ask,
        };
        let Some(ask) = ask else { return false };
        let (connection, script, failed) = (connection.clone(), Arc::clone(script), Arc::clone(&failed));
        tokio::spawn(async move {
            let verdict = put(connection, &script, &ask.questions).await;
            if let Err(error) = &verdict {
                tracing::debug!(%error, "redis: a question failed");
                failed.notify_one();
            }
            let _ = ask.reply.send(verdict.map_err(|_| super::Down));
        });
    }
}

async fn put(mut connection: MultiplexedConnection, script: &Script, questions: &[Question]) -> RedisResult<Verdict> {
    let mut call = script.prepare_invoke();
    for Question { key, pace: [interval, tolerance], dry_run } in questions {
        call.key(key).arg(format!("{interval:.3}")).arg(format!("{tolerance:.3}")).arg(u8::from(*dry_run));
    }
    let [which, wait, dry_runs]: [u64; 3] = call.invoke_async(&mut connection).await?;
    let which = usize::try_from(which).unwrap_or(0).checked_sub(1);
    Ok(Verdict { refused: which.map(|which| (which, Duration::from_micros(wait))), dry_runs })
}
