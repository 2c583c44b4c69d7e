import { expect, test } from 'vitest'
import { enrolmentUri, findTotpStep, totpCode, totpStepOf } from '#core/totp.ts'

/** The secret of both RFCs' vectors. */
const secret = Buffer.from('12345678901234567890')

test('codes are those of the vectors of RFC 4226, appendix D, and RFC 6238, appendix B', () => {
  const hotp = ['755224', '287082', '359152', '969429', '338314', '254676', '287922', '162583', '399871', '520489']
  expect(hotp.map((_, counter) => totpCode(secret, counter))).toEqual(hotp)
  // Eight digits there; ours are the last six of them.
  const totp = {
    59: '94287082',
    1111111109: '07081804',
    1111111111: '14050471',
    1234567890: '89005924',
    2000000000: '69279037',
    20000000000: '65353130',
  }
  for (const [seconds, code] of Object.entries(totp))
    expect(totpCode(secret, totpStepOf(Number(seconds) * 1_000)), seconds).toBe(code.slice(2))
})

test('a code is good in its own thirty seconds and in those before and after, and in no others', () => {
  const step = 1_000
  for (const [nowMs, found] of [
    [(step - 1) * 30_000 - 1, undefined],
    [(step - 1) * 30_000, step],
    [step * 30_000, step],
    [(step + 2) * 30_000 - 1, step],
    [(step + 2) * 30_000, undefined],
  ] as const)
    expect(findTotpStep(secret, totpCode(secret, step), nowMs), String(nowMs)).toBe(found)
  for (const text of ['', '12345', '1234567', '١٢٣٤٥٦']) expect(findTotpStep(secret, text, 30_000)).toBeUndefined()
})

test('the enrolment says what authenticators read: the account, the secret in base 32, six digits, thirty seconds', () => {
  const uri = new URL(enrolmentUri('Ada Lovelace', secret))
  expect([uri.protocol, uri.host, uri.pathname]).toEqual(['otpauth:', 'totp', '/Perigee:Ada%20Lovelace'])
  expect(Object.fromEntries(uri.searchParams)).toEqual({
    secret: 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ',
    issuer: 'Perigee',
    algorithm: 'SHA1',
    digits: '6',
    period: '30',
  })
})
