// What people type at the command line for a role or a subject, and what is meant by it.
import { type Accounts, accountNamed } from '../accounts/accounts.ts';
import type { Clients } from '../clients/clients.ts';
import { UsageMistake } from '../platform/command.ts';
import { failure } from '../platform/errors.ts';
import type { Access, Role, Subject, SubjectKind } from './access.ts';

interface Places {
  access: Access;
  accounts: Accounts;
  clients: Clients;
}

/** By id, or by name: first in the organization, then among those that are known everywhere. */
export async function roleNamed(
  { access }: Pick<Places, 'access'>,
  text: string,
  organizationId: string | null,
): Promise<Role> {
  const inside = organizationId === null ? undefined : await access.findRoleByName(text, organizationId);
  const role = (await access.findRole(text)) ?? inside ?? (await access.findRoleByName(text, null));
  if (role === undefined) throw failure('role_not_found', { role: text });
  return role;
}

const prefixes: Readonly<Record<string, SubjectKind>> = { acc_: 'account', team_: 'team', key_: 'api-key' };

export async function subjectNamed(
  services: Places,
  text: string,
): Promise<{ kind: SubjectKind; id: string }> {
  const [, kind, rest] = /^(account|client|team|api-key):(.+)$/s.exec(text) ?? [];
  if (kind === 'account') return { kind, id: (await accountNamed(services.accounts, rest ?? '')).id };
  if (kind !== undefined) return { kind: kind as SubjectKind, id: rest ?? '' };
  const byForm = Object.entries(prefixes).find(([prefix]) => text.startsWith(prefix));
  if (byForm !== undefined) return { kind: byForm[1], id: text };
  const account = await services.accounts.findByIdentifier(text);
  const client = await services.clients.find(text);
  if (account !== undefined && client !== undefined) {
    throw new UsageMistake(
      `Both an account and a client are called ${text}: say account:${text} or client:${text}.`,
    );
  }
  if (account !== undefined) return { kind: 'account', id: account.id };
  if (client !== undefined) return { kind: 'client', id: client.id };
  throw failure('subject_not_found', { subject: text });
}

export async function actorNamed(services: Places, text: string): Promise<Subject> {
  const { kind, id } = await subjectNamed(services, text);
  if (kind === 'team') throw new UsageMistake('A team does nothing by itself: ask about one of its members.');
  return { kind, id };
}
