-- the columns of Mikro's table that the preset reads, as SQLite can have them
CREATE TABLE STOK_HAREKETLERI (
    sth_stok_kod varchar(25), sth_tip tinyint, sth_cins tinyint, sth_miktar float,
    sth_giris_depo_no int, sth_cikis_depo_no int, sth_iptal bit, sth_lastup_date datetime);
-- in, out, moved to another warehouse, moved within one, cancelled, and a kind that does not count
INSERT INTO STOK_HAREKETLERI VALUES
    ('K-1', 0, 0, 12, 1, 1, 0, '2026-11-05 10:00:00.000'),
    ('K-1', 1, 0, 3, 1, 1, 0, '2026-11-05 11:00:00.000'),
    ('K-1', 2, 6, 4, 2, 1, 0, '2026-11-06 10:00:00.000'),
    ('K-1', 2, 6, 2, 1, 1, 0, '2026-11-06 10:00:00.000'),
    ('K-1', 1, 0, 9, 1, 1, 1, '2026-11-06 10:00:00.000'),
    ('K-1', 0, 9, 9, 1, 1, 0, '2026-11-06 10:00:00.000');
