// What people change about how they are reached and how they sign in: password, mail address, phone number.
import { z } from 'zod';
import type { Account } from '../accounts/accounts.ts';
import type { Credentials } from '../credentials/credentials.ts';
import { AppError } from '../platform/errors.ts';
import {
  accountPage,
  type Page,
  type PageInput,
  type PageResult,
  type Person,
  page,
} from '../platform/http/page.ts';
import { fieldErrorOf, type PasswordRules } from './new-password.ts';
import type { Recovery } from './recovery.ts';
import type { Confirmed } from './schema.ts';

export interface ReachPageDeps extends PasswordRules {
  readonly recovery: Pick<Recovery, 'password' | 'email' | 'phone'>;
  readonly accountOf: (person: Person) => Account;
  readonly credentials: Pick<Credentials, 'hasPassword'>;
}

type AnyInput = Pick<PageInput<unknown, unknown, unknown>, 't'> & { readonly person: Person };

interface Shown {
  values?: object;
  fieldErrors?: Readonly<Record<string, string>>;
  error?: string;
  retryAfterSeconds?: number;
  left?: number;
  status?: number;
}

const PASSWORD = '/account/security/password';
const EMAIL = '/account/email';
const PHONE = '/account/phone';

const PasswordForm = z.object({
  current_password: z.string().max(4096).optional(),
  password: z.string().min(1, 'field.error.newPassword').max(4096),
  end_others: z.string().optional(),
});
const EmailForm = z.object({ email: z.string().trim().min(1, 'field.error.email').max(254) });
const PhoneForm = z.object({ phone: z.string().trim().min(1, 'field.error.phone').max(60) });
// As people copy it: with spaces and dashes.
const CodeForm = z.object({ code: z.string().trim().min(1, 'factor.error.codeMissing').max(64) });

export function reachPages(deps: ReachPageDeps): Page[] {
  return [...passwordPages(deps), ...emailPages(deps), ...phonePages(deps)];
}

const view = (input: AnyInput, name: string, nav: string, model: object, shown: Shown): PageResult => ({
  kind: 'view',
  view: `self-service/${name}`,
  title: input.t(`account.${name}.title`),
  nav,
  status: shown.status ?? 200,
  ...(shown.retryAfterSeconds !== undefined && {
    headers: { 'Retry-After': String(shown.retryAfterSeconds) },
  }),
  model: {
    ...model,
    values: shown.values ?? {},
    fieldErrors: shown.fieldErrors ?? {},
    error: shown.error ?? null,
    retryAfterSeconds: shown.retryAfterSeconds ?? null,
    left: shown.left ?? null,
  },
});

const changerOf = ({ accountId, sessionId }: Person) => ({ accountId, sessionId });

function passwordPages(deps: ReachPageDeps): Page[] {
  async function show(input: AnyInput, shown: Shown = {}): Promise<PageResult> {
    const { accountId } = input.person;
    const [hasPassword, limits] = await Promise.all([
      deps.credentials.hasPassword(accountId),
      deps.limitsFor(accountId),
    ]);
    const account = deps.accountOf(input.person);
    const username = account.email ?? account.username ?? '';
    return view(input, 'password', 'security', { hasPassword, username, ...limits }, shown);
  }

  async function change(input: AnyInput, form: z.output<typeof PasswordForm>): Promise<PageResult> {
    const changed = await deps.recovery.password.change(changerOf(input.person), {
      current: form.current_password,
      password: form.password,
      endOthers: form.end_others !== undefined,
    });
    switch (changed.kind) {
      case 'ok':
        return { kind: 'redirect', to: '/account/security?done=password' };
      case 'refused':
        return show(input, {
          fieldErrors: { current_password: 'account.password.error.current' },
          status: 401,
        });
      default: {
        const { kind, retryAfterSeconds } = changed;
        const status = kind === 'locked' ? 429 : 503;
        return show(input, { error: `login.error.${kind}`, retryAfterSeconds, status });
      }
    }
  }

  return [
    // A Well-Known URL for Changing Passwords (W3C): where password managers lead.
    page({
      method: 'GET',
      path: '/.well-known/change-password',
      limit: 'page',
      run: () => ({ kind: 'redirect', to: PASSWORD }),
    }),
    accountPage({
      method: 'GET',
      path: PASSWORD,
      limit: 'page',
      sensitive: true,
      run: (input) => show(input),
    }),
    accountPage({
      method: 'POST',
      path: PASSWORD,
      limit: 'sign-in',
      sensitive: true,
      form: PasswordForm,
      async run(input) {
        if (!input.form) return show(input, { fieldErrors: input.formErrors, status: 400 });
        try {
          return await change(input, input.form);
        } catch (error) {
          const fieldError = error instanceof AppError ? fieldErrorOf(error) : undefined;
          if (!(error instanceof AppError) || fieldError === undefined) throw error;
          return show(input, { fieldErrors: { password: fieldError }, status: error.status });
        }
      },
    }),
  ];
}

/** Two pages: where to, and the code that came there. What is asked twice is sent twice, as far as limits allow. */
function emailPages(deps: ReachPageDeps): Page[] {
  const show = (input: AnyInput, shown: Shown = {}) =>
    view(input, 'email', 'profile', { step: 1, current: input.person.email }, shown);
  const showCode = (input: AnyInput, shown: Shown = {}) =>
    view(input, 'email', 'profile', { step: 2, current: input.person.email }, shown);

  return [
    accountPage({ method: 'GET', path: EMAIL, limit: 'page', sensitive: true, run: (input) => show(input) }),
    accountPage({
      method: 'POST',
      path: EMAIL,
      limit: 'recovery',
      sensitive: true,
      form: EmailForm,
      async run(input) {
        const values = { email: input.typed.email ?? '' };
        if (!input.form) return show(input, { values, fieldErrors: input.formErrors, status: 400 });
        const asked = { email: input.form.email, locale: input.locale };
        const begun = await refusing(['identifier_invalid'], () =>
          deps.recovery.email.begin(changerOf(input.person), asked),
        );
        if (begun.kind === 'refused') {
          return show(input, { values, fieldErrors: { email: 'field.error.email' }, status: 400 });
        }
        if (begun.kind === 'limited') return show(input, { values, ...limited(begun.retryAfterSeconds) });
        return { kind: 'redirect', to: `${EMAIL}/code` };
      },
    }),
    accountPage({
      method: 'GET',
      path: `${EMAIL}/code`,
      limit: 'page',
      sensitive: true,
      run: (input) => showCode(input),
    }),
    accountPage({
      method: 'POST',
      path: `${EMAIL}/code`,
      limit: 'sign-in',
      sensitive: true,
      form: CodeForm,
      async run(input) {
        if (!input.form) return showCode(input, { fieldErrors: input.formErrors, status: 400 });
        const confirmed = await deps.recovery.email.confirm(changerOf(input.person), input.form.code);
        if (confirmed.kind === 'ok') return { kind: 'redirect', to: `${EMAIL}?done=email` };
        if (confirmed.kind === 'taken') {
          return show(input, { fieldErrors: { email: 'account.email.error.taken' }, status: 409 });
        }
        return showCode(input, codeRefused(confirmed));
      },
    }),
  ];
}

function phonePages({ recovery: { phone }, accountOf }: ReachPageDeps): Page[] {
  async function show(input: AnyInput, step: 1 | 2, shown: Shown = {}): Promise<PageResult> {
    const model = { step, open: phone.isOpen(), current: accountOf(input.person).phoneNumber };
    return view(input, 'phone', 'profile', model, shown);
  }

  return [
    accountPage({
      method: 'GET',
      path: PHONE,
      limit: 'page',
      sensitive: true,
      run: (input) => show(input, 1),
    }),
    accountPage({
      method: 'POST',
      path: PHONE,
      limit: 'recovery',
      sensitive: true,
      form: PhoneForm,
      async run(input) {
        const values = { phone: input.typed.phone ?? '' };
        if (!input.form) return show(input, 1, { values, fieldErrors: input.formErrors, status: 400 });
        const asked = { phone: input.form.phone, locale: input.locale };
        const begun = await refusing(['phone_number_invalid', 'phone_country_not_allowed'], () =>
          phone.begin(changerOf(input.person), asked),
        );
        if (begun.kind === 'refused') {
          return show(input, 1, { values, fieldErrors: { phone: `error.${begun.code}` }, status: 400 });
        }
        if (begun.kind === 'limited') return show(input, 1, { values, ...limited(begun.retryAfterSeconds) });
        return { kind: 'redirect', to: `${PHONE}/code` };
      },
    }),
    accountPage({
      method: 'GET',
      path: `${PHONE}/code`,
      limit: 'page',
      sensitive: true,
      run: (input) => show(input, 2),
    }),
    accountPage({
      method: 'POST',
      path: `${PHONE}/code`,
      limit: 'sign-in',
      sensitive: true,
      form: CodeForm,
      async run(input) {
        if (!input.form) return show(input, 2, { fieldErrors: input.formErrors, status: 400 });
        const confirmed = await phone.confirm(changerOf(input.person), input.form.code);
        if (confirmed.kind === 'ok') return { kind: 'redirect', to: `${PHONE}?done=phone` };
        return show(input, 2, codeRefused(confirmed));
      },
    }),
    accountPage({
      method: 'POST',
      path: `${PHONE}/remove`,
      limit: 'page',
      sensitive: true,
      async run({ person }) {
        await phone.remove(person.accountId);
        return { kind: 'redirect', to: `${PHONE}?done=phoneRemoved` };
      },
    }),
  ];
}

/** What belongs beside the field is no failure of the page. */
async function refusing<T>(
  codes: readonly string[],
  act: () => Promise<T>,
): Promise<T | { kind: 'refused'; code: string }> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof AppError && codes.includes(error.code)) return { kind: 'refused', code: error.code };
    throw error;
  }
}

const limited = (retryAfterSeconds: number): Shown => ({
  error: 'account.code.error.limited',
  retryAfterSeconds,
  status: 429,
});

function codeRefused(confirmed: Exclude<Confirmed, { kind: 'ok' }>): Shown {
  if (confirmed.kind !== 'wrong' || confirmed.left === 0) {
    return { error: 'account.code.error.over', status: 410 };
  }
  return { fieldErrors: { code: 'account.code.error.wrong' }, left: confirmed.left, status: 401 };
}
