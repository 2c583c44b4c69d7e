/**
 * Whether `If-None-Match` names what would be answered: one of its list, or anything (`*`). The comparison is the weak one.
 * @see RFC 9110 section 13.1.2
 */
export const isKnown = (etag: string, ifNoneMatch: string | undefined): boolean =>
  ifNoneMatch?.split(',').some((text) => {
    const known = text.trim().replace(/^W\//, '')
    return known === etag || known === '*'
  }) ?? false
