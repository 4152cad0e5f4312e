// What every page is made with: addresses, translations, assets, forms that cannot be forged, and the renderer.
import { join } from 'node:path';
import { accentPalette } from './lib/colour.ts';
import type { Config } from './platform/config/load.ts';
import { createCarrier } from './platform/http/carried.ts';
import { createCsrf } from './platform/http/csrf.ts';
import { createPageRenderer } from './platform/http/render-page.ts';
import { siteOf } from './platform/http/site.ts';
import { createAssets } from './platform/http/static.ts';
import { createI18n } from './platform/i18n.ts';
import { createSeal } from './platform/secrets/seal.ts';
import type { ServerSecrets } from './platform/secrets/server-secrets.ts';
import { createViews } from './platform/views.ts';

export function createPages(config: Config, serverSecrets: ServerSecrets) {
  const { branding } = config;
  const site = siteOf(config.issuer);
  const shipped = join(import.meta.dirname, '..', 'views');
  const own = branding.viewsDirectory === undefined ? [] : [branding.viewsDirectory];
  const i18n = createI18n({ directories: [shipped, ...own].map((folder) => join(folder, 'messages')) });
  const assets = createAssets({
    site,
    directories: [shipped, ...own].map((folder) => join(folder, 'assets')),
  });
  const csrf = createCsrf({ site, secret: serverSecrets.get('csrf') });
  const carrier = createCarrier({ site, seal: createSeal(serverSecrets.get('cookie')) });
  const views = createViews({ directories: [...own, shipped] });
  const look = {
    productName: branding.productName,
    accentColor: branding.accentColor,
    logoUrl: branding.logoUrl ?? null,
    palette: accentPalette(branding.accentColor),
  };
  const renderer = createPageRenderer({ site, views, i18n, assets, csrf, branding: look });
  return { site, i18n, assets, csrf, carrier, renderer, views, look };
}
