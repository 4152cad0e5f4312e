// LISTEN on a connection of its own, that comes back by itself. Whoever listens must bear a lost message.
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';

export interface Listener {
  stop(): Promise<void>;
}

const RETRY_MILLISECONDS = 500;
const CONNECT_TIMEOUT_MILLISECONDS = 4_000;
const GOODBYE_MILLISECONDS = 500;

/** `heard` runs for each message, and after each connection: something may have been said meanwhile. */
export function startListener(
  settings: { url: string; applicationName: string },
  channel: string,
  heard: () => void,
): Listener {
  const session: { client?: Client; stopped: boolean } = { stopped: false };

  const listenOnce = async () => {
    const client = new Client({
      connectionString: settings.url,
      application_name: settings.applicationName,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MILLISECONDS,
      query_timeout: CONNECT_TIMEOUT_MILLISECONDS,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    });
    session.client = client;
    const ended = new Promise<void>((resolve) => client.once('end', resolve));
    // The pool meets the same trouble and says so.
    client.on('error', () => {});
    client.on('notification', heard);
    try {
      await client.connect();
      await client.query(`listen ${client.escapeIdentifier(channel)}`);
      heard();
      if (!session.stopped) await ended;
    } catch {
      // Again after the pause.
    } finally {
      await goodbye(client);
    }
  };

  const listening = (async () => {
    while (!session.stopped) {
      await listenOnce();
      if (!session.stopped) await delay(RETRY_MILLISECONDS, undefined, { ref: false });
    }
  })();

  return {
    stop: async () => {
      session.stopped = true;
      if (session.client !== undefined) await goodbye(session.client);
      await Promise.race([listening, delay(GOODBYE_MILLISECONDS, undefined, { ref: false })]);
    },
  };
}

/** A server that says nothing any more is not waited for. */
async function goodbye(client: Client): Promise<void> {
  const end = client.end().catch(() => {});
  await Promise.race([end, delay(GOODBYE_MILLISECONDS, undefined, { ref: false })]);
}
