// The set-up page behind the console's link, and the page that says who this server is.
import { z } from 'zod';
import { AppError, failure } from '../platform/errors.ts';
import { type Page, type PageInput, type PageResult, page } from '../platform/http/page.ts';
import type { Setup } from './setup.ts';

export interface SetupPageDeps {
  readonly setup: Setup;
  readonly productName: string;
  readonly issuer: string;
  readonly minimumLength: number;
}

const SetupQuery = z.object({ token: z.string().min(1).max(128) });

const optionalText = z
  .string()
  .trim()
  .max(200)
  .transform((text) => text || null);

const SetupForm = z.object({
  // Not named token: fields of that kind are never sent back, and this one must be when the form is shown again.
  setup_link: z.string().min(1).max(128),
  email: z.string().trim().min(1).max(254),
  username: optionalText.default(null),
  name: optionalText.default(null),
  password: z.string().min(1).max(4096),
});

const NAMED_FIELDS = ['email', 'username', 'name'] as const;

/** What belongs beside a field of the form: the field and its sentence. */
function fieldErrorsOf(error: AppError): Record<string, string> | undefined {
  if (error.code.startsWith('password_')) return { password: `error.${error.code}` };
  if (error.code !== 'identifier_invalid' && error.code !== 'request_invalid') return undefined;
  const named = NAMED_FIELDS.filter((name) => error.details.fields?.[name] !== undefined);
  if (named.length === 0) return undefined;
  return Object.fromEntries(named.map((name) => [name, `field.error.${name}`]));
}

export function setupPages(deps: SetupPageDeps): Page[] {
  const form = (
    { t }: Pick<PageInput<unknown, unknown, unknown>, 't'>,
    token: string,
    shown: { values?: object; fieldErrors?: object; error?: string; status?: number },
  ): PageResult => ({
    kind: 'view',
    view: 'setup/first-admin',
    title: t('setup.title'),
    status: shown.status ?? 200,
    model: {
      // With the link in it, so that an expired form can be opened anew.
      action: `/setup?token=${encodeURIComponent(token)}`,
      token,
      values: shown.values ?? {},
      fieldErrors: shown.fieldErrors ?? {},
      error: shown.error ?? null,
      minimumLength: deps.minimumLength,
    },
  });

  return [
    page({
      method: 'GET',
      path: '/setup',
      limit: 'setup',
      query: SetupQuery.partial(),
      async run(input) {
        const token = input.query.token ?? '';
        if (!(await deps.setup.isValid(token))) throw failure('setup_link_invalid');
        return form(input, token, {});
      },
    }),

    page({
      method: 'POST',
      path: '/setup',
      limit: 'setup',
      form: SetupForm,
      async run(input) {
        const token = input.typed.setup_link ?? '';
        if (!input.form)
          return form(input, token, { values: input.typed, fieldErrors: input.formErrors, status: 400 });
        const { setup_link, ...admin } = input.form;
        try {
          const account = await deps.setup.redeem(setup_link, admin);
          return {
            kind: 'view',
            view: 'setup/done',
            title: input.t('setup.done.title'),
            model: { email: account.email },
          };
        } catch (error) {
          const fieldErrors = error instanceof AppError ? fieldErrorsOf(error) : undefined;
          if (!(error instanceof AppError) || !fieldErrors) throw error;
          return form(input, token, { values: input.typed, fieldErrors, status: error.status });
        }
      },
    }),

    page({
      method: 'GET',
      path: '/',
      limit: 'page',
      run: ({ t }) => ({
        kind: 'view',
        view: 'home',
        title: deps.productName,
        model: {
          productName: deps.productName,
          issuer: deps.issuer,
          links: [
            { label: t('account.home.title'), href: `${deps.issuer}/account` },
            { label: t('home.link.device'), href: `${deps.issuer}/device` },
            { label: t('home.link.discovery'), href: `${deps.issuer}/.well-known/openid-configuration` },
            { label: t('home.link.signOut'), href: `${deps.issuer}/end-session` },
          ],
        },
      }),
    }),
  ];
}
