// Keys, their APIs and whoever introspects for them, for tests of machines.
import { asOperator, type IssuedKey, type NewApiKey } from '../../src/api-keys/api-keys.ts';
import type { Services } from '../../src/services.ts';
import { createApi, createClient, createPerson, operator } from '../support/people.ts';
import { type Answer, basic, post } from './relying-party.ts';

interface Server {
  readonly issuer: string;
  readonly services: Services;
}

export const byOperator = asOperator(operator);

/** A key of a person, for one API with notes:read and notes:write unless it says otherwise. */
export async function createKey(server: Server, input: Partial<NewApiKey> = {}): Promise<IssuedKey> {
  const owner = input.owner ?? { kind: 'account' as const, id: (await createPerson(server.services)).id };
  const whose = input.parentId === undefined ? { owner } : {};
  const wanted = { name: 'worker', permissions: ['notes:read', 'notes:write'], ...input, ...whose };
  return server.services.apiKeys.create(wanted as NewApiKey, byOperator);
}

export interface World {
  readonly audience: string;
  /** Answers what the owner of the API is told about a token or key. */
  introspect(token: string, origin?: string): Promise<Record<string, unknown>>;
  key(input?: Partial<NewApiKey>): Promise<IssuedKey>;
  tokenOf(key: Pick<IssuedKey, 'secret'>, fields?: Record<string, string>): Promise<string>;
}

/** An API, the client that owns it, and keys for it. */
export async function createWorld(server: Server, tokenFormat: 'jwt' | 'opaque' = 'jwt'): Promise<World> {
  const api = await createApi(server.services, { tokenFormat });
  const { audience } = api;
  const owner = await createClient(server.services, {
    kind: 'machine',
    apis: [{ audience, permissions: [] }],
  });
  await server.services.apis.change(api.id, { ownerClientId: owner.client.id }, operator);
  const asOwner = basic(owner.client, owner.secret);
  return {
    audience,
    key: (input) => createKey(server, { apis: [audience], ...input }),
    async introspect(token, origin = server.issuer) {
      return (await post(`${origin}/introspect`, { token }, asOwner)).body;
    },
    async tokenOf({ secret }, fields) {
      return String((await tokenForKey(server.issuer, secret, fields)).body.access_token);
    },
  };
}

/** The one string alone. */
export function tokenForKey(
  origin: string,
  secret: string,
  fields: Record<string, string> = {},
): Promise<Answer> {
  return post(`${origin}/token`, { grant_type: 'client_credentials', ...fields }, { 'x-api-key': secret });
}
