-- What is removed when it has been over for a while is found without reading the whole table.
CREATE INDEX capability_tokens_by_end ON capability_tokens (expires_at);
CREATE INDEX appointments_expired ON appointments (updated_at) WHERE status = 'EXPIRED';
