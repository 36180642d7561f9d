-- phase: expand
-- description: credentials that are set as basic, in a header or in a query parameter
-- reversible: yes
-- lock-budget-ms: 500

ALTER TABLE credentials
  ADD COLUMN username text,
  ADD COLUMN header text,
  ADD COLUMN parameter text,
  DROP CONSTRAINT credentials_kind_check,
  ADD CONSTRAINT credentials_place_check CHECK (
    kind IN ('bearer', 'basic', 'header', 'query')
    AND (username IS NOT NULL) = (kind = 'basic')
    AND (header IS NOT NULL) = (kind = 'header')
    AND (parameter IS NOT NULL) = (kind = 'query')
  );
