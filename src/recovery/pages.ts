// The pages for whoever cannot sign in: a forgotten password, a lost second factor, and taking back a change of address.
// The secret of a link leaves the address with the first answer, so that no history and no log keeps it.
import { z } from 'zod';
import { AppError } from '../platform/errors.ts';
import { type Page, type PageInput, type PageResult, page } from '../platform/http/page.ts';
import type { EmailChange } from './email-change.ts';
import { PASSWORD_PATH } from './forgotten.ts';
import { fieldErrorOf, type PasswordRules } from './new-password.ts';
import type { Recovery } from './recovery.ts';
import type { Recovering } from './schema.ts';

export interface RecoveryPageDeps extends PasswordRules {
  readonly recovery: Pick<Recovery, 'forgotten'> & { email: Pick<EmailChange, 'peekUndo' | 'undo'> };
}

type AnyInput = Pick<PageInput<unknown, unknown, unknown>, 't' | 'carried'>;

/** As long as the links themselves are good for at most, and as a sign-in under way waits. */
const LINK_SECONDS = 30 * 60;
const SIGN_IN_SECONDS = 60 * 60;

const uid = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/)
  .optional()
  .catch(undefined);
const LinkQuery = z.object({ token: z.string().min(1).max(100).optional().catch('') });

const AskForm = z.object({
  identifier: z.string().trim().min(1, 'field.error.identifier').max(254),
  interaction: uid,
});
const PasswordForm = z.object({
  // Which link the form was made for: another one may have been opened in this browser meanwhile.
  link_id: z.string().max(64),
  password: z.string().min(1, 'field.error.newPassword').max(4096),
});

const carry = (name: string, value: string | null, seconds = LINK_SECONDS) => ({ name, value, seconds });

export function recoveryPages(deps: RecoveryPageDeps): Page[] {
  return [...askingPages(deps), ...passwordPages(deps), ...undoPages(deps)];
}

/** The sign-in that they came from waits in this browser. */
function backTo(interaction: string | undefined): string | null {
  return interaction === undefined ? null : `/interaction/${interaction}`;
}

const askAgain = (interaction: string | undefined) =>
  interaction === undefined ? '/recover' : `/recover?interaction=${interaction}`;

function askingPages({ recovery: { forgotten } }: RecoveryPageDeps): Page[] {
  const ask = (
    { t }: AnyInput,
    shown: { interaction?: string | undefined; identifier?: string; error?: string; status?: number },
  ): PageResult => ({
    kind: 'view',
    view: 'recovery/ask',
    title: t('recover.title'),
    status: shown.status ?? 200,
    model: {
      open: forgotten.isOpen(),
      interaction: shown.interaction ?? '',
      backHref: backTo(shown.interaction),
      identifier: shown.identifier ?? '',
      fieldErrors: shown.error === undefined ? {} : { identifier: shown.error },
    },
  });

  return [
    page({
      method: 'GET',
      path: '/recover',
      limit: 'page',
      query: z.object({ interaction: uid }),
      run: (input) => ask(input, { interaction: input.query.interaction }),
    }),
    page({
      method: 'POST',
      path: '/recover',
      limit: 'recovery',
      form: AskForm,
      async run(input) {
        const { form, typed, formErrors, locale } = input;
        if (!form) {
          const error = formErrors.identifier ?? 'field.error.identifier';
          const identifier = typed.identifier ?? '';
          return ask(input, { interaction: uid.parse(typed.interaction), identifier, error, status: 400 });
        }
        await forgotten.begin({ identifier: form.identifier, locale });
        const from = carry('sign-in', form.interaction ?? null, SIGN_IN_SECONDS);
        return { kind: 'redirect', to: '/recover/sent', carry: [from] };
      },
    }),
    page({
      method: 'GET',
      path: '/recover/sent',
      limit: 'page',
      run: ({ t, carried }) => ({
        kind: 'view',
        view: 'recovery/sent',
        title: t('recover.sent.title'),
        model: { againHref: askAgain(carried('sign-in')), backHref: backTo(carried('sign-in')) },
      }),
    }),
    page({
      method: 'GET',
      path: '/recover/second-factor',
      limit: 'page',
      query: z.object({ interaction: uid }),
      run: ({ t, query }) => ({
        kind: 'view',
        view: 'recovery/second-factor',
        title: t('recover.factor.title'),
        model: { backHref: backTo(query.interaction) },
      }),
    }),
  ];
}

/** Opened twice, too late, or after something else has ended it. */
const over = ({ t, carried }: AnyInput): PageResult => ({
  kind: 'view',
  view: 'recovery/over',
  title: t('recover.over.title'),
  status: 410,
  model: { againHref: askAgain(carried('sign-in')), backHref: backTo(carried('sign-in')) },
});

function passwordPages(deps: RecoveryPageDeps): Page[] {
  const { forgotten } = deps.recovery;
  const choose = async (
    { t }: AnyInput,
    { id, account }: Recovering,
    shown: { error?: string; notice?: string; status?: number } = {},
  ): Promise<PageResult> => ({
    kind: 'view',
    view: 'recovery/password',
    title: t('recover.password.title'),
    status: shown.status ?? 200,
    model: {
      linkId: id,
      account: account.email ?? account.username ?? account.name ?? '',
      username: account.email ?? account.username ?? '',
      ...(await deps.limitsFor(account.id)),
      error: shown.notice ?? null,
      fieldErrors: shown.error === undefined ? {} : { password: shown.error },
    },
  });

  return [
    page({
      method: 'GET',
      path: PASSWORD_PATH,
      limit: 'sign-in',
      query: LinkQuery,
      async run(input) {
        const { token } = input.query;
        if (token !== undefined) {
          return { kind: 'redirect', to: PASSWORD_PATH, carry: [carry('recovery', token)] };
        }
        const found = await forgotten.peek(input.carried('recovery') ?? '');
        return found === undefined ? over(input) : choose(input, found);
      },
    }),
    page({
      method: 'POST',
      path: PASSWORD_PATH,
      limit: 'sign-in',
      form: PasswordForm,
      async run(input) {
        const token = input.carried('recovery') ?? '';
        const found = await forgotten.peek(token);
        if (found === undefined) return over(input);
        if (input.typed.link_id !== found.id) {
          return choose(input, found, { notice: 'recover.password.other', status: 409 });
        }
        if (!input.form) return choose(input, found, { error: 'field.error.newPassword', status: 400 });
        try {
          if ((await forgotten.reset(token, input.form.password)) === undefined) return over(input);
        } catch (error) {
          const fieldError = error instanceof AppError ? fieldErrorOf(error) : undefined;
          if (!(error instanceof AppError) || fieldError === undefined) throw error;
          return choose(input, found, { error: fieldError, status: error.status });
        }
        return { kind: 'redirect', to: '/recover/done', carry: [carry('recovery', null)] };
      },
    }),
    page({
      method: 'GET',
      path: '/recover/done',
      limit: 'page',
      run: ({ t, carried }) => ({
        kind: 'view',
        view: 'recovery/done',
        title: t('recover.done.title'),
        model: { backHref: backTo(carried('sign-in')) },
      }),
    }),
  ];
}

function undoPages({ recovery: { email } }: RecoveryPageDeps): Page[] {
  const path = '/recover/undo';
  return [
    page({
      method: 'GET',
      path,
      limit: 'sign-in',
      query: LinkQuery,
      async run(input) {
        const { token } = input.query;
        if (token !== undefined) return { kind: 'redirect', to: path, carry: [carry('undo', token)] };
        const undo = await email.peekUndo(input.carried('undo') ?? '');
        if (undo === undefined) return over(input);
        return {
          kind: 'view',
          view: 'recovery/undo',
          title: input.t('recover.undo.title'),
          model: { email: undo.email },
        };
      },
    }),
    page({
      method: 'POST',
      path,
      limit: 'sign-in',
      async run(input) {
        const undone = await email.undo(input.carried('undo') ?? '');
        if (undone === undefined) return over(input);
        const done = carry('undo', null);
        if (undone.passwordLink !== undefined) {
          return {
            kind: 'redirect',
            to: PASSWORD_PATH,
            carry: [done, carry('recovery', undone.passwordLink)],
          };
        }
        return { kind: 'redirect', to: `/recover/undone${undone.restored ? '' : '?kept=1'}`, carry: [done] };
      },
    }),
    page({
      method: 'GET',
      path: '/recover/undone',
      limit: 'page',
      query: z.object({ kept: z.string().optional() }),
      run: ({ t, query }) => ({
        kind: 'view',
        view: 'recovery/undone',
        title: t('recover.undone.title'),
        model: { restored: query.kept === undefined },
      }),
    }),
  ];
}
