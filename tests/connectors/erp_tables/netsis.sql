-- the columns of Netsis' tables that the preset reads, as SQLite can have them
CREATE TABLE TBLSTOKPH (
    STOK_KODU varchar(35), SUBE_KODU smallint, DEPO_KODU smallint, TOP_GIRIS_MIK float,
    TOP_CIKIS_MIK float);
CREATE TABLE TBLSIPATRA (
    STOK_KODU varchar(35), DEPO_KODU smallint, STHAR_GCMIK float, FIRMA_DOVTUT float,
    STHAR_FTIRSIP char(1), STHAR_HTUR char(1));
INSERT INTO TBLSTOKPH VALUES
    ('N-1', 1, 0, 100, 10), ('N-1', 1, 1, 20, 12), ('N-1', 2, 1, 4, NULL), ('N-2', 1, 1, NULL, NULL);
-- an order half received, one received, one that is closed, and one to a supplier
INSERT INTO TBLSIPATRA VALUES
    ('N-1', 1, 10, 4, '6', 'H'), ('N-1', 1, 3, 3, '6', NULL), ('N-1', 1, 9, 0, '6', 'K'),
    ('N-1', 1, 9, 0, '7', 'H');
