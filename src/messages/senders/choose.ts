// Which sender carries what, by the settings: a mail server or a webhook; on a machine of a developer, files.
import { join } from 'node:path';
import type { Clock } from '../../platform/clock.ts';
import type { Config } from '../../platform/config/load.ts';
import { createOutboxFolder, type OutboxFolder } from './files.ts';
import type { Senders } from './sender.ts';

export interface ChosenSenders extends Senders {
  /** Where messages are files; undefined when nothing is written there. */
  readonly folder: OutboxFolder | undefined;
}

type Settings = Pick<Config, 'environment' | 'messages' | 'database'>;

export function chooseSenders(config: Settings, deps: { clock: Clock }): ChosenSenders {
  const { environment, messages, database } = config;
  const folder =
    environment === 'development'
      ? createOutboxFolder({
          path: join(database.dataDirectory, 'outbox'),
          from: messages.from,
          now: deps.clock.now,
        })
      : undefined;
  return { mail: folder?.mail, sms: folder?.sms, folder };
}
