// The last page of a registration, when the address is proved: what an account needs, and a password or a passkey for it.
import { z } from 'zod';
import { type Accounts, shownFields, typedFields } from '../accounts/accounts.ts';
import type { PageResult } from '../platform/http/page.ts';
import { waitInWords } from '../platform/http/render-page.ts';
import type { Finished, Registration, Standing } from '../registration/registration.ts';
import { goOnPastCodes, type Step, type StepDeps } from './step.ts';

export interface RegisterDeps extends StepDeps {
  readonly registration: Registration;
  readonly accounts: Pick<Accounts, 'profile'>;
  readonly minimumPasswordLength: number;
}

export interface Shown {
  typed?: Readonly<Record<string, string>>;
  error?: string;
  /** Message keys, by field. */
  fieldErrors?: Readonly<Record<string, string>>;
  retryAfterSeconds?: number;
  left?: number;
  status?: number;
}

type Typed = Readonly<Record<string, string>>;

export const AccountForm = z.record(z.string(), z.string());

/** The buttons of the form by which one chooses between a password and a passkey; the answer of a passkey. */
const WAY = 'way';
const RESPONSE = 'response';
const MOST_RESPONSE = 32_768;

const actions: Readonly<Record<string, string>> = {
  'register-code': 'register/code',
  'register-account': 'register/account',
  'register-passkey': 'register/account',
};

export function registerView(step: Step, name: string, shown: Shown, model: object): PageResult {
  const { client } = step.pending;
  const wait = shown.retryAfterSeconds;
  return step.show(
    `interaction/${name}`,
    step.t('register.title'),
    {
      ...model,
      action: step.path(actions[name] ?? 'register'),
      signInHref: step.path('login'),
      cancelAction: step.path('cancel'),
      client: { name: client.name, logoUri: client.logoUri },
      error: shown.error ?? null,
      wait: wait === undefined ? '' : waitInWords(step.t, wait),
      fieldErrors: shown.fieldErrors ?? {},
    },
    shown.status,
    wait === undefined ? {} : { 'Retry-After': String(wait) },
  );
}

export async function showAccount(
  step: Step,
  deps: RegisterDeps,
  standing: Standing,
  shown: Shown = {},
): Promise<PageResult> {
  const { profile } = deps.accounts;
  const { typed, fieldErrors = {} } = shown;
  const { terms, invitations } = deps.registration;
  const invitation = standing.invitationId ? await invitations.openById(standing.invitationId) : undefined;
  return registerView(step, 'register-account', shown, {
    email: standing.email,
    organization: invitation?.organizationName ?? null,
    fields: shownFields(asked(deps), { typed: typed ?? {}, values: {}, errors: fieldErrors }, step),
    ownErrors: Object.keys(fieldErrors).some((name) => profile.field(name) !== undefined),
    username: typed?.username ?? '',
    minimumLength: deps.minimumPasswordLength,
    termsUrl: terms.current?.url ?? null,
    acceptsTerms: typed?.terms === 'yes',
  });
}

const asked = ({ accounts }: RegisterDeps) =>
  accounts.profile.fields.filter(({ registration }) => registration !== 'no');

/** What was typed comes along, and comes back with it. */
async function showPasskey(
  step: Step,
  deps: RegisterDeps,
  { standing, typed, error }: { standing: Standing; typed: Typed; error?: string },
): Promise<PageResult> {
  const name = typedFields(asked(deps), typed).name?.slice(0, 200) || null;
  const { email } = standing;
  const options = await deps.registration.passkeyOptions(standing, name);
  return registerView(step, 'register-passkey', error === undefined ? {} : { error, status: 400 }, {
    email,
    options,
    kept: Object.entries(typed).map(([field, value]) => ({ name: field, value })),
  });
}

export async function finishAccount(
  step: Step,
  deps: RegisterDeps,
  standing: Standing,
  fields: Typed,
): Promise<PageResult> {
  const { password = '', [WAY]: way, [RESPONSE]: response, _csrf, ...typed } = fields;
  if (way === 'password') return showAccount(step, deps, standing, { typed });
  const particulars = {
    username: typed.username?.trim() || null,
    profile: typedFields(asked(deps), typed),
    password,
    acceptsTerms: typed.terms === 'yes',
    locale: step.locale,
  };
  if (way !== 'passkey') {
    const made = await deps.registration.finish(step.pending.uid, particulars);
    return made.kind === 'ok'
      ? goOnWith(step, made)
      : showAccount(step, deps, standing, { typed, ...finishError(made) });
  }
  const mistakes = deps.registration.mistakesIn(particulars);
  if (Object.keys(mistakes).length > 0)
    return showAccount(step, deps, standing, { typed, fieldErrors: mistakes, status: 400 });
  if (!response) return showPasskey(step, deps, { standing, typed });
  const passkey = { response: parsed(response), t: step.t };
  const made = await deps.registration.finish(step.pending.uid, { ...particulars, passkey });
  if (made.kind === 'ok') return goOnWith(step, made);
  if (made.kind === 'refused' && made.fields.passkey !== undefined)
    return showPasskey(step, deps, { standing, typed, error: made.fields.passkey });
  return showAccount(step, deps, standing, { typed, ...finishError(made) });
}

async function goOnWith(step: Step, made: Extract<Finished, { kind: 'ok' }>): Promise<PageResult> {
  const next = await step.finish({ kind: 'proved', accountId: made.account.id, proof: made.proof });
  return goOnPastCodes(step, next, made.recoveryCodes);
}

/** What is no JSON is no answer. */
function parsed(text: string): unknown {
  if (text.length > MOST_RESPONSE) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function finishError(made: Exclude<Finished, { kind: 'ok' }>): Shown {
  switch (made.kind) {
    case 'refused':
      return { fieldErrors: made.fields, status: 400 };
    case 'code_invalid':
      return { error: 'register.error.codeUsedUp', status: 409 };
    case 'invitation_invalid':
      return { error: 'register.error.invitationOver', status: 409 };
    case 'taken':
      return { error: 'register.error.taken', status: 409 };
    case 'gone':
      return { error: 'register.error.gone', status: 409 };
  }
}
