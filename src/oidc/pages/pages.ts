// The pages the engine itself asks for, drawn by our views: device code, sign-out, errors.
import type { Configuration, Client as EngineClient, KoaContextWithOIDC } from 'oidc-provider';
import type { Account, Accounts } from '../../accounts/accounts.ts';
import type { PageRenderer, PageView } from '../../platform/http/render-page.ts';
import type { I18n, Translate } from '../../platform/i18n.ts';
import { currentOrigin } from '../../platform/origin.ts';

type Features = NonNullable<Configuration['features']>;
type DeviceFlow = NonNullable<Features['deviceFlow']>;
type Logout = NonNullable<Features['rpInitiatedLogout']>;

export interface EnginePages {
  deviceInfo: NonNullable<DeviceFlow['deviceInfo']>;
  userCodeInput: NonNullable<DeviceFlow['userCodeInputSource']>;
  userCodeConfirm: NonNullable<DeviceFlow['userCodeConfirmSource']>;
  deviceDone: NonNullable<DeviceFlow['successSource']>;
  logoutConfirm: NonNullable<Logout['logoutSource']>;
  logoutDone: NonNullable<Logout['postLogoutSuccessSource']>;
  renderError: NonNullable<Configuration['renderError']>;
}

/** What the user-code page says for each way a code can be wrong; the engine names its errors by class. */
const codeErrors: Record<string, string> = {
  NoCodeError: 'no_code',
  NotFoundError: 'not_found',
  ExpiredError: 'expired',
  AlreadyUsedError: 'used',
  AbortedError: 'aborted',
};

/** What the engine says when the secret in its form does not fit its session: an old page, a second tab, cookies off. */
const STALE_FORM = /^(xsrf token invalid|could not find (device form|logout) details)$/;

export function createEnginePages(deps: {
  renderer: PageRenderer;
  i18n: I18n;
  accounts: Pick<Accounts, 'find'>;
}): EnginePages {
  const { renderer, i18n } = deps;

  const show = (ctx: KoaContextWithOIDC, view: (t: Translate) => PageView) => {
    const uiLocales = ctx.oidc?.params?.ui_locales;
    const locale = renderer.localeOf(ctx, typeof uiLocales === 'string' ? uiLocales : undefined);
    renderer.renderPage(ctx, { ...view(i18n.translator(locale)), locale });
  };

  const showDone = (ctx: KoaContextWithOIDC, outcome: 'approved' | 'denied') =>
    show(ctx, (t) => ({
      view: 'device/done',
      title: t(outcome === 'approved' ? 'device.done.title' : 'device.done.denied.title'),
      model: { outcome, client: named(ctx.oidc.client) },
    }));

  const showError = (ctx: KoaContextWithOIDC, out: { error: string }, error: EngineError) => {
    const { status } = ctx;
    if (error.name === 'SessionNotFound') return show(ctx, (t) => lostView(t, status, ctx.oidc.client));
    if (isStaleForm(error)) return show(ctx, (t) => staleFormView(t, status, againAt(ctx)));
    const key = `error.oauth.${out.error}`;
    show(ctx, (t) => ({
      view: 'errors/error',
      title: t('error.title'),
      status,
      // Descriptions may quote what a stranger sent, so the page says our own sentence; the code helps the developer.
      model: {
        heading: t('error.heading.oauth'),
        message: t(i18n.has(key) ? key : 'error.oauth.other'),
        code: out.error,
        requestId: currentOrigin().requestId,
        backLink: null,
      },
    }));
  };

  return {
    deviceInfo: () => ({ address: currentOrigin().address, userAgent: currentOrigin().userAgent }),

    async userCodeInput(ctx, _form, out, error) {
      const outcome = error ? codeErrors[error.name] : null;
      if (error && out && outcome === undefined) {
        // The engine has put a new secret into the session for a form that is not shown, and fails to save a new session.
        if (ctx.oidc.session?.exp === undefined) Object.assign(ctx.oidc.session ?? {}, { touched: false });
        return showError(ctx, out, error);
      }
      if (outcome === 'aborted') return showDone(ctx, 'denied');
      show(ctx, (t) => ({
        view: 'device/input',
        title: t('device.title'),
        status: outcome ? 400 : 200,
        model: { ...formTarget(ctx, 'code_verification'), userCode: typedCode(error), error: outcome },
      }));
    },

    async userCodeConfirm(ctx, _form, client, device, userCode) {
      show(ctx, (t) => ({
        view: 'device/confirm',
        title: t('device.confirm.title'),
        model: {
          ...formTarget(ctx, 'code_verification'),
          userCode,
          client: { name: nameOf(client), logoUri: client.logoUri ?? null },
          device: { address: device.address ?? null, userAgent: device.userAgent ?? null },
        },
      }));
    },

    deviceDone: async (ctx) => showDone(ctx, 'approved'),

    async logoutConfirm(ctx) {
      const target = ctx.oidc.session?.state?.postLogoutRedirectUri;
      const { client, session } = ctx.oidc;
      const account = session?.accountId ? await deps.accounts.find(session.accountId) : undefined;
      show(ctx, (t) => ({
        view: 'logout/confirm',
        title: t('logout.title'),
        // The form ends at the client's registered address; Chrome holds that redirect against form-action.
        formAction: typeof target === 'string' ? [target] : [],
        model: {
          ...formTarget(ctx, 'end_session_confirm'),
          client: client ? { name: nameOf(client), logoUri: client.logoUri ?? null } : null,
          account: account ? nameable(account) : null,
        },
      }));
    },

    async logoutDone(ctx) {
      show(ctx, (t) => ({
        view: 'logout/done',
        title: t('logout.done.title'),
        model: { client: named(ctx.oidc.client) },
      }));
    },

    renderError: async (ctx, out, error) => showError(ctx, out, error),
  };
}

type EngineError = Error & { error_description?: string | undefined };

/** The page for an interaction that is no longer there: back button, second tab, finished elsewhere, cookies off. */
function lostView(t: Translate, status: number, client: EngineClient | undefined): PageView {
  return {
    view: 'interaction/lost',
    title: t('lost.title'),
    status,
    model: { reason: 'expired', clientUri: client?.clientUri ?? null },
  };
}

function staleFormView(t: Translate, status: number, again: string | null): PageView {
  return {
    view: 'errors/error',
    title: t('error.title'),
    status,
    model: {
      heading: t('error.heading.form_expired'),
      message: t('error.form_expired'),
      code: 'form_expired',
      requestId: currentOrigin().requestId,
      backLink: again,
    },
  };
}

function isStaleForm(error: EngineError): boolean {
  return STALE_FORM.test(error.error_description ?? '');
}

/** Where the form of this route is shown anew. */
function againAt(ctx: KoaContextWithOIDC): string | null {
  const forms: Record<string, string> = {
    code_verification: 'code_verification',
    end_session_confirm: 'end_session',
  };
  const form = forms[ctx.oidc.route];
  return form ? ctx.oidc.urlFor(form) : null;
}

function nameable({ email, username, name }: Account) {
  return { email, username, name };
}

function formTarget(ctx: KoaContextWithOIDC, route: string) {
  return { action: ctx.oidc.urlFor(route), xsrf: ctx.oidc.session?.state?.secret ?? '' };
}

function named(client: EngineClient | undefined) {
  return client ? { name: nameOf(client), clientUri: client.clientUri ?? null } : null;
}

function nameOf(client: EngineClient): string {
  return client.clientName ?? client.clientId;
}

function typedCode(error: unknown): string {
  return error instanceof Error && 'userCode' in error && typeof error.userCode === 'string'
    ? error.userCode.slice(0, 32)
    : '';
}
