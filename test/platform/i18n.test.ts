// Catalogues, negotiation of a language, and views with an operator's folder over the shipped one.
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createI18n } from '../../src/platform/i18n.ts';
import { createViews } from '../../src/platform/views.ts';
import { folder } from './http/application.ts';

const en = { hello: 'Hello {name}', bye: 'Bye' };
const de = { hello: 'Hallo {name}', bye: 'Tschüss' };

function catalogues(files: Record<string, object>) {
  return folder(
    Object.fromEntries(Object.entries(files).map(([name, value]) => [name, JSON.stringify(value)])),
  );
}

const i18n = createI18n({ directories: [catalogues({ 'en.json': en, 'de.json': de, 'pt-BR.json': en })] });

describe('sentences', () => {
  it('fill their placeholders and leave escaping to the view', () => {
    expect(i18n.translator('de')('hello', { name: '<b>Ada' })).toBe('Hallo <b>Ada');
    expect(i18n.translator('de')('hello', {})).toBe('Hallo {name}');
    expect(i18n.translator('de')('hello', { name: '{name} $& $1' })).toBe('Hallo {name} $& $1');
  });

  it('show the key when there is none, and English for an unknown language', () => {
    expect(i18n.translator('de')('nothing.here')).toBe('nothing.here');
    expect(i18n.translator('xx')('bye')).toBe('Bye');
  });
});

it.each([
  [undefined, undefined, 'en'],
  [undefined, 'de', 'de'],
  [undefined, 'de-AT, en', 'de'],
  [undefined, 'en;q=0.3, de;q=0.9', 'de'],
  [undefined, 'de;q=0, en', 'en'],
  [undefined, 'fr, *', 'en'],
  [undefined, 'PT-br', 'pt-BR'],
  ['de', 'en', 'de'],
  ['fr de en', 'en', 'de'],
  ['fr', 'de', 'de'],
  ['../../etc', 'constructor;q=x', 'en'],
])('ui_locales %j and Accept-Language %j read %s', (uiLocales, acceptLanguage, locale) => {
  expect(i18n.negotiate(uiLocales, acceptLanguage)).toBe(locale);
});

describe('loading', () => {
  it('refuses a language that misses a key or has other placeholders, naming each', () => {
    const directories = [catalogues({ 'en.json': en, 'de.json': { hello: 'Hallo {wer}' } })];
    expect(() => createI18n({ directories })).toThrow(
      /de: hello has other placeholders.*\n.*de: bye is missing/,
    );
  });

  it('lets a later folder change single sentences', () => {
    const shipped = catalogues({ 'en.json': en, 'de.json': de });
    const own = catalogues({ 'de.json': { bye: 'Servus' } });
    const t = createI18n({ directories: [shipped, own, '/nowhere'] }).translator('de');
    expect([t('bye'), t('hello', { name: 'A' })]).toEqual(['Servus', 'Hallo A']);
  });

  it('finds the shipped catalogues complete', () => {
    const shipped = createI18n({ directories: [join(import.meta.dirname, '../../views/messages')] });
    expect(shipped.locales).toEqual(expect.arrayContaining(['en', 'de']));
  });
});

describe('views', () => {
  const shipped = folder({
    'layouts/page.ejs': '[<%- body %>]',
    'area/one.ejs': "one <%= model.name %> <%- include('/partials/mark') %>",
    'partials/mark.ejs': 'shipped <%= model.name %>',
  });
  const own = folder({ 'partials/mark.ejs': 'own' });

  it('are put into the layout and escaped by default', () => {
    const views = createViews({ directories: [shipped] });
    expect(views.render('area/one', { model: { name: '<b>' } })).toBe('[one &lt;b&gt; shipped &lt;b&gt;]');
  });

  it('use a file of the operator instead of the shipped one, in includes too', () => {
    const views = createViews({ directories: [own, shipped] });
    expect(views.render('area/one', { model: { name: 'x' } })).toBe('[one x own]');
  });

  it('never reach outside their folders', () => {
    const views = createViews({ directories: [shipped] });
    expect(() => views.render('../../../etc/passwd', {})).toThrow('There is no view');
    expect(views.has('area/one')).toBe(true);
    expect(views.has('area/two')).toBe(false);
  });
});
