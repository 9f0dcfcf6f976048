"""Who is asking: records, credentials, signatures. Pure: values in, values out."""
