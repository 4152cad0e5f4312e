// From an input to a checked registration: shapes, the rules of the kind, and the APIs that it refers to.
import type { z } from 'zod';
import type { Apis } from '../apis/apis.ts';
import { fieldsOf } from '../lib/fields.ts';
import type { ClientId } from '../lib/ids.ts';
import type { Db } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import { registrationProblems, withDefaults } from './metadata.ts';
import { CLIENT_ID, type Client, ClientChange, NewClient } from './schema.ts';

export type Registered = ReturnType<typeof withDefaults>;

export function parseRegistration(input: NewClient): {
  id: ClientId | undefined;
  registered: Registered;
} {
  const { id, ...parsed } = parse(NewClient, input);
  if (id !== undefined && !CLIENT_ID.test(id)) throw failure('client_id_invalid');
  // Checked by the line above.
  return { id: id as ClientId | undefined, registered: withDefaults(parsed) };
}

export function parseChange(input: ClientChange): z.output<typeof ClientChange> {
  return parse(ClientChange, input);
}

/** Holds the APIs until the transaction ends, so that none is deleted while a client begins to refer to it. */
export async function checkRegistration(
  trx: Db,
  apis: Pick<Apis, 'hold'> | undefined,
  client: Registered | Client,
): Promise<void> {
  refuse(registrationProblems(client));
  if (apis !== undefined) refuse(await apiProblems(trx, apis, client.apis));
}

async function apiProblems(
  trx: Db,
  apis: Pick<Apis, 'hold'>,
  wanted: Client['apis'],
): Promise<Record<string, string>> {
  if (wanted.length === 0) return {};
  const plain = wanted.filter(({ audience }) => !audience.includes('\0'));
  const held = await apis.hold(
    trx,
    plain.map(({ audience }) => audience),
  );
  const problems: Record<string, string> = {};
  for (const [index, entry] of wanted.entries()) {
    const api = held.find(({ audience }) => audience === entry.audience);
    const names = new Set(['*', ...(api?.permissions ?? []).map(({ name }) => name)]);
    const unknown = entry.permissions.filter((name) => !names.has(name));
    if (api === undefined) problems[`apis.${index}.audience`] = 'is not a registered API';
    else if (unknown.length > 0)
      problems[`apis.${index}.permissions`] = `this API has no ${unknown.join(', ')}`;
  }
  return problems;
}

function parse<Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  throw failure('client_metadata_invalid', { fields: fieldsOf(parsed.error) });
}

function refuse(fields: Record<string, string>): void {
  const names = Object.keys(fields);
  if (names.length === 0) return;
  const redirects = names.every((name) => /^(redirectUris|postLogoutRedirectUris)\./.test(name));
  throw failure(redirects ? 'redirect_uri_invalid' : 'client_metadata_invalid', { fields });
}
