// The served API document, read by a linter that others wrote (Redocly's recommended rules): nothing to complain about.
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { expect, it } from 'vitest';
import { apiSubjects } from '../../../src/vocabulary/api-subjects.ts';
import { useGatehouse } from '../../support/gatehouse.ts';

const gatehouse = useGatehouse();
const documentText = async () => (await fetch(`${gatehouse.issuer}/api/v1/openapi.json`)).text();

const rules = {
  // The address in the document is that of the server that hands it out, and this one runs on localhost.
  'no-server-example.com': 'off',
} as const;

it('lints clean: no error and no warning', async () => {
  const config = await createConfig({ extends: ['recommended'], rules });
  const found = await lintFromString({
    source: await documentText(),
    config,
    absoluteRef: 'openapi.json',
  });
  const told = found.map(({ severity, ruleId, message, location }) => {
    const places = location.map(({ pointer }) => pointer).join(' ');
    return `${severity} ${ruleId}: ${message} ${places}`;
  });
  expect(told).toEqual([]);
});

it('says what each subject is, and speaks of none that it does not have', async () => {
  const { tags } = JSON.parse(await documentText());
  const described = tags.map(({ name, description }: Record<string, string>) => [name, description]);
  expect(Object.fromEntries(described)).toEqual(apiSubjects);
});
