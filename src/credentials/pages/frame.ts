// What the security pages share: who acts, how things are told, and where one lands after a factor was added.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Actor } from '../../audit/audit.ts';
import type { AccountId } from '../../lib/ids.ts';
import type { Proof } from '../../lib/strength.ts';
import { AppError } from '../../platform/errors.ts';
import type { PageInput, PageResult, Person } from '../../platform/http/page.ts';
import type { Translate } from '../../platform/i18n.ts';
import type { Credentials } from '../credentials.ts';
import type { Devices } from '../devices/devices.ts';
import { type AddedFactor, type FactorKind, provedBySettingUp } from '../schema.ts';

export interface SecurityPageDeps {
  readonly credentials: Pick<Credentials, 'factors' | 'hasPassword'>;
  readonly devices: Devices;
  readonly messages: { canSend(channel: 'mail' | 'sms'): boolean };
  /** Counts what was proved in this session; sessions live on a higher floor. */
  readonly interactions: {
    strengthen(
      request: IncomingMessage,
      response: ServerResponse,
      accountId: AccountId,
      proof: Proof,
    ): Promise<void>;
  };
  /** Ends everything of an account but one session; it lives on a higher floor. */
  readonly sessions: {
    endOthers(accountId: AccountId, sessionId: string, by: Actor): Promise<void>;
  };
}

export const SECURITY = '/account/security';

export const icons: Readonly<Record<FactorKind, string>> = {
  totp: 'phone',
  passkey: 'key',
  sms: 'phone',
  mail: 'mail',
};

export function byThemselves({ accountId }: Person): Actor {
  return { kind: 'account', id: accountId };
}

export function securityView(
  view: string,
  title: string,
  model: object,
  more: { status?: number; headers?: Readonly<Record<string, string>> } = {},
): PageResult {
  return { kind: 'view', view: `self-service/security/${view}`, title, nav: 'security', model, ...more };
}

/**
 * What was proved by setting it up counts: the next page asks for no code that was typed a moment ago. The first factor of an
 * account brings its recovery codes, which are shown now or never.
 */
export async function afterAdding(
  { interactions }: Pick<SecurityPageDeps, 'interactions'>,
  { person, ctx }: Pick<PageInput<unknown, unknown, unknown>, 'ctx'> & { readonly person: Person },
  added: AddedFactor,
): Promise<PageResult> {
  await interactions.strengthen(ctx.req, ctx.res, person.accountId, provedBySettingUp(added));
  const { recoveryCodes } = added;
  if (recoveryCodes === null) return { kind: 'redirect', to: `${SECURITY}?done=factor-added` };
  return showCodes(recoveryCodes, 'factor-added');
}

export function showCodes(codes: readonly string[], done: string): PageResult {
  const model = { codes, next: `${SECURITY}?done=${done}` };
  return securityView('new-recovery-codes', 'security.codes.title', model);
}

/** What is wrong in words; what is no mistake of the person's goes on to the error page. */
export function sentenceOf(error: unknown, t: Translate): { code: string; text: string; status: number } {
  if (!(error instanceof AppError) || error.status >= 500) throw error;
  const key = `error.${error.code}`;
  const text = t(key);
  return { code: error.code, text: text === key ? error.message : text, status: error.status };
}
