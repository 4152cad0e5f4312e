// Keys, an API and somebody who may ask about them, for the tests of verify and forward-auth.
import { asOperator, type NewApiKey } from '../../src/api-keys/api-keys.ts';
import type { TestServer } from '../support/gatehouse.ts';
import { callsBy, machine, type Reply } from '../support/management.ts';
import { createApi, createPerson, operator } from '../support/people.ts';

const by = asOperator(operator);

export interface World {
  readonly audience: string;
  readonly ownerId: string;
  /** A key of the person, for notes; returns the one string and the id. */
  key(input?: Partial<NewApiKey>): Promise<{ id: string; secret: string }>;
  /** What verify says, asked by a machine that may. */
  ask(body: Record<string, unknown>): Promise<Reply['body']>;
  askRaw(body: unknown, headers?: Record<string, string>): Promise<Reply>;
}

export async function createWorld(gatehouse: TestServer): Promise<World> {
  const { services } = gatehouse;
  const owner = await createPerson(services);
  const { audience } = await createApi(services);
  const asker = await machine(gatehouse, ['api-keys:verify']);
  const call = callsBy(gatehouse, () => asker);
  const askRaw = (body: unknown, headers: Record<string, string> = {}) =>
    call('POST', '/verify', { body, headers });
  return {
    audience,
    ownerId: owner.id,
    askRaw,
    async key(input = {}) {
      const { key, secret } = await services.apiKeys.create(
        {
          name: 'A key',
          permissions: ['notes:read'],
          owner: { kind: 'account', id: owner.id },
          ...input,
        },
        by,
      );
      return { id: key.id, secret };
    },
    async ask(body) {
      const reply = await askRaw(body);
      if (reply.status !== 200)
        throw new Error(`verify answered ${reply.status}: ${JSON.stringify(reply.body)}`);
      return reply.body;
    },
  };
}
