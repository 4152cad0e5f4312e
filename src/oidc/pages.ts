// The pages the engine itself asks for, drawn by our views: device code, sign-out, errors.
import type { Configuration, Client as EngineClient, KoaContextWithOIDC } from 'oidc-provider';
import type { PageRenderer, PageView } from '../platform/http/render-page.ts';
import type { I18n, Translate } from '../platform/i18n.ts';
import { currentOrigin } from '../platform/origin.ts';

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

export function createEnginePages(deps: { renderer: PageRenderer; i18n: I18n }): EnginePages {
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

  return {
    deviceInfo: () => ({ address: currentOrigin().address, userAgent: currentOrigin().userAgent }),

    async userCodeInput(ctx, _form, _out, error) {
      const outcome = error ? (codeErrors[error.name] ?? 'not_found') : null;
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
      const { client, account } = ctx.oidc;
      show(ctx, (t) => ({
        view: 'logout/confirm',
        title: t('logout.title'),
        // The form ends at the client's registered address; Chrome holds that redirect against form-action.
        formAction: typeof target === 'string' ? [target] : [],
        model: {
          ...formTarget(ctx, 'end_session_confirm'),
          client: client ? { name: nameOf(client), logoUri: client.logoUri ?? null } : null,
          account: account ? { email: null, username: null, name: null } : null,
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

    async renderError(ctx, out, error) {
      const { status } = ctx;
      if (error.name === 'SessionNotFound') return show(ctx, (t) => lostView(t, status));
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
    },
  };
}

/** The page for an interaction that is no longer there: back button, second tab, finished elsewhere, cookies off. */
export function lostView(t: Translate, status = 400): PageView {
  return {
    view: 'interaction/lost',
    title: t('lost.title'),
    status,
    model: { reason: 'expired', clientUri: null },
  };
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
